"""Which characters PCRE2 and the tokenizers package class differently: each knows its own version of Unicode."""
import ctypes
import ctypes.util
import sys

from tokenizers import Regex, pre_tokenizers

CLASSES = {"letter": (r"\p{L}", r"\p{L}"), "number": (r"\p{N}", r"\p{N}"), "space": (r"[\p{Z}\t-\r\x{85}]", r"\s"),
           "punctuation": (r"\p{P}", r"\p{P}")}
CHARACTERS = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]

UTF, UCP = 0x00080000, 0x00020000  # pcre2.h


class Pcre2:
    def __init__(self):
        library = ctypes.CDLL(ctypes.util.find_library("pcre2-8"))
        for name in ("compile", "match_data_create_from_pattern"):
            getattr(library, f"pcre2_{name}_8").restype = ctypes.c_void_p
        self.library = library

    def unicode_version(self):
        text = ctypes.create_string_buffer(64)
        self.library.pcre2_config_8(10, text)
        return text.value.decode()

    def matched(self, pattern):
        error, offset = ctypes.c_int(), ctypes.c_size_t()
        code = ctypes.c_void_p(self.library.pcre2_compile_8(pattern.encode(), ctypes.c_size_t(len(pattern)), UTF | UCP,
                                                            ctypes.byref(error), ctypes.byref(offset), None))
        data = ctypes.c_void_p(self.library.pcre2_match_data_create_from_pattern_8(code, None))
        return {c for c in CHARACTERS
                if self.library.pcre2_match_8(code, c.encode(), ctypes.c_size_t(len(c.encode())), ctypes.c_size_t(0), 0,
                                              data, None) > 0}


def matched_by_tokenizers(split):
    kept = "".join(text for text, _ in split.pre_tokenize_str("".join(CHARACTERS)))
    return set(CHARACTERS) - set(kept)


def differences():
    """Class -> its characters that only one of the two knows."""
    pcre2 = Pcre2()
    found = {name: pcre2.matched(ours) ^ matched_by_tokenizers(pre_tokenizers.Split(Regex(theirs), "removed"))
             for name, (ours, theirs) in CLASSES.items()}
    cuts = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str("".join(c + "a" for c in CHARACTERS))
    digits = {text for text, _ in cuts if len(text) == 1} - {"a"}
    found["single digit"] = pcre2.matched(r"\p{N}") ^ digits
    return found


def ranges(characters):
    """U+0041..U+005A, ..."""
    points, runs = sorted(map(ord, characters)), []
    for point in points:
        if runs and runs[-1][1] == point - 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return ", ".join(f"U+{a:04X}" if a == b else f"U+{a:04X}..U+{b:04X}" for a, b in runs)


if __name__ == "__main__":
    print(f"PCRE2 knows Unicode {Pcre2().unicode_version()}, Python {sys.version.split()[0]}")
    unassigned = Pcre2().matched(r"\p{Cn}")
    for name, characters in differences().items():
        print(f"{name}: {len(characters)} characters differ, {len(characters & unassigned)} of them are unassigned to "
              f"PCRE2: {ranges(characters)}")
