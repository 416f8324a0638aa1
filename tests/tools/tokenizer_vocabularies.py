"""Small vocabularies of each kind: trained, written as GGUF, and the reference that reads the same one."""
import dataclasses
import io
import json
import random
from typing import Callable

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tokenizer_texts import prose

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


@dataclasses.dataclass
class Vocabulary:
    name: str
    file: str
    references: dict[str, Callable[[str], list[int]]]  # by name; each gives the tokens of a text


def write(path, model, tokens, kinds, extra):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    extra(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def train_sentence_pieces(size, **more):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(prose(4000, 1)), model_writer=model, model_type="bpe", vocab_size=size,
        byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True, minloglevel=2, num_threads=1, **more)
    return model.getvalue()


def hugging_face_sentence_pieces(proto):
    """As transformers turns a SentencePiece model into merges: all halves of a piece, best piece first."""
    ids = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    merges = []
    for piece in proto.pieces:
        for cut in range(1, len(piece.piece)):
            halves = piece.piece[:cut], piece.piece[cut:]
            if piece.type == NORMAL and halves[0] in ids and halves[1] in ids:
                merges.append((-piece.score, halves))
    merges = [halves for _, halves in sorted(merges, key=lambda merge: merge[0])]
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    return tokenizer


def sentence_pieces(path, name, serialized, with_hugging_face=True):
    proto = sentencepiece_model_pb2.ModelProto.FromString(serialized)
    processor = sentencepiece.SentencePieceProcessor(model_proto=serialized)

    def extra(writer):
        writer.add_token_scores([piece.score for piece in proto.pieces])
        writer.add_bos_token_id(processor.bos_id())
        writer.add_eos_token_id(processor.eos_id())
        writer.add_unk_token_id(processor.unk_id())
        writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)

    write(path, "llama", [piece.piece for piece in proto.pieces], [piece.type for piece in proto.pieces], extra)
    references = {"sentencepiece": processor.encode}
    if with_hugging_face:
        tokenizer = hugging_face_sentence_pieces(proto)
        references["tokenizers"] = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    return Vocabulary(name, path, references)


def with_unused(serialized, seed):
    """Every eighth piece longer than a character is no longer used, and some characters."""
    rng = random.Random(seed)
    proto = sentencepiece_model_pb2.ModelProto.FromString(serialized)
    for piece in proto.pieces:
        if piece.type == NORMAL and rng.randrange(8 if len(piece.piece) > 1 else 40) == 0 and piece.piece != "\u2581":
            piece.type = UNUSED
    return proto.SerializeToString()


def marked_sentence_pieces(path, size):
    symbols = ["<tool>", "<tool>s", "\u2581\u2581\u2581\u2581", "ab\u2581", "nai"]
    serialized = with_unused(train_sentence_pieces(size, user_defined_symbols=symbols), 3)
    return sentence_pieces(path, "SentencePiece, unused and user-defined pieces", serialized, with_hugging_face=False)


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")


def cut_by(*expressions):
    cuts = [pre_tokenizers.Split(Regex(expression), "isolated") for expression in expressions]
    return pre_tokenizers.Sequence(cuts + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


WORDS = {
    "llama-bpe": cut_by(LLAMA3),
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "default": cut_by(r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
}


def byte_level(path, words, whole_alphabet=True, size=2000):
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=["<|begin|>", "<|end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if whole_alphabet else [])
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = WORDS[words]
    trained.train_from_iterator(prose(4000, 2), trainer)
    model = json.loads(trained.to_str())["model"]

    # Some words that no merge makes: only looking up whole words finds them.
    whole_words = words == "llama-bpe"
    merges = [tuple(merge) for i, merge in enumerate(model["merges"]) if not (whole_words and i % 9 == 8)]
    tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=merges, ignore_merges=whole_words))
    tokenizer.pre_tokenizer = WORDS[words]
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("<tool>s", normalized=False)])
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    tokenizer.encode_special_tokens = True  # as text

    ids = tokenizer.get_vocab(with_added_tokens=True)
    tokens = sorted(ids, key=ids.get)
    special = {"<|begin|>": CONTROL, "<|end|>": CONTROL, "<tool>": USER_DEFINED, "<tool>s": USER_DEFINED}

    def extra(writer):
        writer.add_tokenizer_pre(words)
        writer.add_token_merges([" ".join(merge) for merge in merges])
        writer.add_bos_token_id(ids["<|begin|>"])
        writer.add_eos_token_id(ids["<|end|>"])

    write(path, "gpt2", tokens, [special.get(token, NORMAL) for token in tokens], extra)
    name = words if whole_alphabet else words + ", bytes without tokens"
    return Vocabulary(name, path, {"tokenizers": lambda text: tokenizer.encode(text, add_special_tokens=False).ids})


def all_vocabularies(folder, model=None):
    yield sentence_pieces(f"{folder}/plain.gguf", "SentencePiece", train_sentence_pieces(1200))
    yield marked_sentence_pieces(f"{folder}/marked.gguf", 1200)
    yield sentence_pieces(f"{folder}/no_prefix.gguf", "SentencePiece, no space in front",
                          train_sentence_pieces(1200, add_dummy_prefix=False), with_hugging_face=False)
    if model:
        with open(model, "rb") as file:
            yield sentence_pieces(f"{folder}/given.gguf", model, file.read())
    for words in WORDS:
        yield byte_level(f"{folder}/{words}.gguf", words)
    yield byte_level(f"{folder}/bytes.gguf", "gpt-2", whole_alphabet=False)
