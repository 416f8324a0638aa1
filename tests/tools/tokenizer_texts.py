"""Texts that are hard on tokenizers: every kind of character, in runs and in turns, from a seed."""
import random

CONTRACTIONS = [
    "'s", "'S", "'t", "'re", "'RE", "'Ve", "'m", "'ll", "'LL", "'d", "'", "''", "\u2019s", "'\u017f",
]
WORDS = [
    "the", "The", "and", "once", "upon", "a", "time", "dragon", "I", "don", "we", "they", "HELLO", "na\u00efve",
    "caf\u00e9", "stra\u00dfe", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u043c\u0438\u0440",
    "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", "e\u0301t\u00e9", "\u05e9\u05dc\u05d5\u05dd",
    "\u0645\u0631\u062d\u0628\u0627", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u4f60\u597d", "\u65e5\u672c\u8a9e",
    "\ud55c\uad6d\uc5b4", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\U0001f600", "\U0001f469\u200d\U0001f680",
    "\U0001f1e9\U0001f1ea",
]
SPACES = [
    " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\u180e",
    "\u200b", "\v", "\f", "\ufeff",
]
MARKS = [
    ".", ",", "!", "?", "...", ".\n\n\"", "\"", "-", "--", "_", "(", ")", "+", "=", "<", ">", "|", "$", "^", "~",
    "#", "/", "\\", "\u00bf", "\u3002", "\u20ac", "\u2260", "\u2581", "\u2581\u2581", "\0", "\x01", "\x7f",
]
CONTROLS = [
    "<s>", "</s>", "<unk>", "<0x41>", "<|end|>", "<|begin|>",
]
DIGITS = [
    "0", "7", "12", "123", "1234", "1234567", "3.14", "\u0663\u0664", "\u00bd", "\u2167", "\u00b2",
    "\u096b\u096c\u096d\u096e",
]
RANGES = [
    (0x20, 0x7E), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0x10FF),
    (0x1680, 0x18AF), (0x1E00, 0x206F), (0x2070, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
    (0xE000, 0xF8FF), (0xF900, 0xFFFF), (0x10000, 0x1FFFF), (0x1F300, 0x1FAFF), (0xE0000, 0xE01EF),
]


def character(rng):
    low, high = rng.choice(RANGES) if rng.random() < 0.95 else (0, 0x10FFFF)
    point = rng.randint(low, high)
    return "?" if 0xD800 <= point <= 0xDFFF else chr(point)


def part(rng):
    kind = rng.randrange(10)
    if kind < 3:
        return rng.choice(WORDS)
    if kind < 5:
        return rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 5])
    if kind == 5:
        return rng.choice(DIGITS)
    if kind == 6:
        return rng.choice(CONTRACTIONS)
    if kind == 7:
        return rng.choice(MARKS)
    if kind == 8:
        return "".join(character(rng) for _ in range(rng.randint(1, 4)))
    return rng.choice(CONTROLS) if rng.random() < 0.3 else rng.choice("abcdefghij") * rng.randint(1, 9)


def texts(count, seed):
    rng = random.Random(seed)
    return ["".join(part(rng) for _ in range(rng.choice([1, 2, 3, 8, 30]))) for _ in range(count)]


def broken_texts(count, seed):
    """Bytes that are mostly no UTF-8: random ones, and texts with a byte changed, cut out or cut off."""
    rng = random.Random(seed)
    broken = []
    for text in texts(count, seed + 1):
        data = bytearray(text.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) + 1)
            data[at:at + rng.randint(0, 2)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 2)))
        broken.append(bytes(data))
    return broken


def prose(sentences, seed):
    """What vocabularies are trained on: words that come back, so that there is something to merge."""
    rng = random.Random(seed)
    syllables = ["ka", "to", "mi", "ren", "sol", "the", "ing", "er", "an", "b\u00e4r", "\u0434\u043e", "\u043c\u0430"]
    lexicon = WORDS + ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(400)]
    lines = []
    for _ in range(sentences):
        words = [lexicon[min(int(rng.paretovariate(0.7)) - 1, len(lexicon) - 1)] for _ in range(rng.randint(3, 15))]
        words = [word + rng.choice(CONTRACTIONS) if rng.random() < 0.1 else word for word in words]
        if rng.random() < 0.3:
            words.insert(rng.randrange(len(words)), str(rng.randrange(100000)))
        gap = rng.choice([" ", " ", " ", "  ", ", "])
        lines.append(gap.join(words) + rng.choice([".", "!", "?", ".\n\n\"", "\n", "...\n"]))
    return lines


