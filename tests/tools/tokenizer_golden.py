"""tokenizer_golden.py FOLDER: writes tests/data/tokenizers, small vocabularies and what the references make of texts.

Only characters that Unicode 3.2 had, in the class they have today: the answers are the same with every PCRE2.
"""
import json
import pathlib
import sys
import unicodedata

from tokenizer_texts import texts
from tokenizer_vocabularies import byte_level, marked_sentence_pieces

SIZE = 560


def is_old(text):
    return all(unicodedata.ucd_3_2_0.category(c) == unicodedata.category(c) != "Cn" for c in text)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    inputs = [text for text in texts(400, 21) if is_old(text) and len(text) < 80][:120] + ["", "<tool>s a<tool>"]
    vocabularies = {"sentence-pieces": marked_sentence_pieces(str(folder / "sentence-pieces.gguf"), SIZE)}
    for words in ("llama-bpe", "smollm", "gpt-2"):
        vocabularies[words] = byte_level(str(folder / f"{words}.gguf"), words, size=SIZE)
    for name, vocabulary in vocabularies.items():
        (reference, encode), = vocabulary.references.items()
        tokens = ",\n".join(json.dumps([text, encode(text)], separators=(",", ":")) for text in inputs)
        (folder / f"{name}.json").write_text(f'{{"reference": "{reference}", "texts": [\n{tokens}\n]}}\n')


if __name__ == "__main__":
    main()
