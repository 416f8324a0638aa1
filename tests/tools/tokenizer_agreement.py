"""tokenizer_agreement.py TOKENIZE [--model FILE]: our tokenizers against sentencepiece and Hugging Face's tokenizers.

TOKENIZE is tokenize.cpp, built. Prints how many of the texts differ, and the shortest that does; the exit status is
1 if one does, or if a text is not decoded to what it was. Texts that differ and hold a character which PCRE2 and
the tokenizers package put into different classes (tokenizer_unicode.py) are counted on their own.
"""
import argparse
import struct
import subprocess
import sys
import tempfile

from tokenizer_texts import broken_texts, texts
from tokenizer_unicode import differences
from tokenizer_vocabularies import all_vocabularies


def ours(tokenize, file, inputs):
    """(unknown, comes back, tokens) for each input."""
    packed = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
    lines = subprocess.run([tokenize, file], input=packed, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    numbers = [[int(number) for number in line.split()] for line in lines]
    return [(unknown, comes_back == 1, tokens) for unknown, comes_back, *tokens in numbers]


def lost(inputs, answers, blank):
    """Texts without unknown bytes that decoding does not give back. SentencePiece takes its blank for a space."""
    return sum(not comes_back and unknown == 0 and not (blank and blank in data)
               for data, (unknown, comes_back, _) in zip(inputs, answers))


def compare(tokenize, vocabulary, count, disputed):
    inputs = texts(count, 11) + ["", " ", "\n", "<tool>", " <tool>s", "a<tool>s'll  <tool>"]
    inputs += [text.replace("<s>", "<tool>").replace("</s>", "<tool>s") for text in texts(count // 10, 12)
               if "s>" in text]
    data = [text.encode() for text in inputs]
    answers = ours(tokenize, vocabulary.file, data)
    failures = 0
    for name, encode in vocabulary.references.items():
        differing = [text for text, answer in zip(inputs, answers) if answer[2] != encode(text)]
        unsettled = [text for text in differing if disputed & set(text) and name == "tokenizers"]
        differing = [text for text in differing if text not in unsettled]
        print(f"{vocabulary.name} against {name}: {len(differing)} of {len(inputs)} differ, and {len(unsettled)} with "
              f"characters of disputed class ({sum(bool(disputed & set(text)) for text in inputs)} texts hold some)")
        if differing:
            shortest = min(differing, key=len)
            print(f"    {ascii(shortest)}\n    {encode(shortest)}\n    {answers[inputs.index(shortest)][2]}")
        failures += len(differing)
    broken = broken_texts(count, 13)
    blank = "\u2581".encode() if "sentencepiece" in vocabulary.references else None
    gone = lost(data, answers, blank) + lost(broken, ours(tokenize, vocabulary.file, broken), blank)
    print(f"    {gone} of {len(data) + len(broken)} texts, half of them broken UTF-8, do not come back")
    return failures + gone


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenize")
    parser.add_argument("--model", help="a SentencePiece model to compare as well")
    parser.add_argument("--count", type=int, default=10000)
    options = parser.parse_args()
    disputed = set().union(*differences().values())
    with tempfile.TemporaryDirectory() as folder:
        failures = sum(compare(options.tokenize, vocabulary, options.count, disputed)
                       for vocabulary in all_vocabularies(folder, options.model))
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
