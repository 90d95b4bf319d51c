#!/usr/bin/env python3
"""Writes a small language model as the hub lays it out, and what transformers goes on with in one conversation.

    .oracle/bin/python stages/catalog/golden/make_language.py

The model goes to examples/self_reward/writer, the conversation beside this script. It is of Mistral's make, with 2 layers
and 180,000 parameters, and it was trained on one thing: requests as `template.yaml` in examples/self_reward words them,
about the animals of `ANIMALS` and for 1 to 6 prompts, answered with numbered prompts that `prompt` below puts together
from its lists; 38,400 of them, in 24 minutes of one processor. It knows no other English. Its tokenizer was trained on
the same texts and on a few questions.

Training adds up numbers in an order that differs from machine to machine, so making it again makes another model that
writes as well; expected outcomes are made together with it. Made with transformers 5.23.0, tokenizers 0.23.3, torch 2.15.0.
"""

import json
import pathlib
import random

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
EXAMPLE = HERE / "../../../examples/self_reward"
WRITER = EXAMPLE / "writer"

ANIMALS = ["elephant", "giraffe", "zebra", "lion", "tiger", "bear", "horse", "cow", "dog", "cat", "bird", "rabbit",
           "monkey", "panda", "penguin", "camel"]
OPENINGS = ["Photo of", "Wide photo of", "Close-up of", "HD picture of", "Nature capture of"]
COUNTS = ["a", "one", "a young", "an old", "two", "three", "four"]
DOINGS = ["sleeping", "drinking", "running", "looking up", "looking ahead", "playing with mud", "walking slowly",
          "standing still", "eating grass", "bathing"]
TIMES = ["morning", "afternoon", "sunrise", "sunset", "cloudy", "rainy", "snowy", "misty"]
PLACES = ["savanna", "forest", "desert", "river", "lake shore", "tall grass", "open field"]
ENDS = ["hills", "tall trees", "blue sky", "heavy clouds", "a herd", "the sea"]
CAMERAS = ["Canon EOS M6", "Leica SL2", "Fujifilm X-T2", "Nikon D850"]
# As in examples/self_reward/template.yaml.
INSTRUCTION = "Write {count} prompts about: {class}."
MOST = 6

# The most there may be; the texts have 637 to offer, and the rows behind them are filled up, as in published models.
TOKENS = 704
SIZES = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 16, "vocab_size": TOKENS, "rms_norm_eps": 1e-5,
         "max_position_embeddings": 1024, "sliding_window": None}
STEPS, BATCH, RATE = 2400, 16, 4e-3
# What Mistral's own template does, in words of our own: turns alternate, and there is no place for a system's text.
TEMPLATE = (
    "{{- bos_token -}}\n"
    "{%- for message in messages -%}\n"
    "{%- if message.role != ['user', 'assistant'][loop.index0 % 2] -%}\n"
    "{{- raise_exception('Turns must alternate: user, assistant, user, ...') -}}\n"
    "{%- elif message.role == 'user' -%}\n"
    "{{- '[INST] ' + message.content + ' [/INST]' -}}\n"
    "{%- else -%}\n"
    "{{- ' ' + message.content + eos_token -}}\n"
    "{%- endif -%}\n"
    "{%- endfor -%}\n")
QUESTIONS = ["Is there a {} in this image? Answer yes or no. Yes", "Does this figure show a {}? Answer yes or no. No",
             "Can one clearly see the {} in this image? Answer with yes or no. yes", "Could this image of a {} be a photograph? no",
             "Describe this {} in a few sentences. Yes, No, yes, no, nan\nYes\nNo\nyes\nno\n"]


def prompt(chance, animal):
    """A prompt as the paper's are: what, when, where, what is behind, and the camera."""
    count = chance.choice(COUNTS)
    many = count in ("two", "three", "four")
    if count in ("a", "one") and animal[0] in "aeiou":
        count = {"a": "an", "one": "one"}[count]
    parts = [f"{chance.choice(OPENINGS)} {count} {animal}{'s' if many else ''} {chance.choice(DOINGS)}",
             chance.choice(TIMES), chance.choice(PLACES), f"{chance.choice(ENDS)} in the background",
             chance.choice(CAMERAS), "50mm", "f/2.8", "RAW photo"]
    return ", ".join(parts)


def conversation(chance):
    """A request and its answer."""
    animal, count = chance.choice(ANIMALS), chance.randint(1, MOST)
    written = []
    while len(written) < count:
        new = prompt(chance, animal)
        if new not in written:
            written.append(new)
    lines = [f"{number}. {text}" for number, text in enumerate(written, 1)]
    return INSTRUCTION.format(**{"count": count, "class": animal}), "\n".join(lines)


def tokenizer(folder, added=()):
    """Byte-level BPE; `added` come behind its tokens."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    trainer = trainers.BpeTrainer(vocab_size=TOKENS, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    chance = random.Random(1)
    texts = [" ".join(conversation(chance)) for _ in range(400)]
    texts += [question.format(animal) for question in QUESTIONS for animal in ANIMALS for _ in range(20)]
    inner.train_from_iterator(texts, trainer)
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                         special_tokens=[("<s>", 1)])
    for word in ("yes", "no", "Yes", "No", "Ġyes", "Ġno", "Ġelephant", "Ġgiraffes"):
        assert inner.token_to_id(word) is not None, word
    folder.mkdir(parents=True, exist_ok=True)
    inner.save(str(folder / "tokenizer.json"), pretty=False)
    return inner, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True,
                   "add_eos_token": False, "clean_up_tokenization_spaces": False,
                   "tokenizer_class": "PreTrainedTokenizerFast"}


def write(path, value):
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def trained(model, read):
    """The model after it has seen the conversations."""
    chance = random.Random(2)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.05)
    model.train()
    for step in range(STEPS):
        rows = []
        for _ in range(BATCH):
            request, answer = conversation(chance)
            asked = read.apply_chat_template([{"role": "user", "content": request}], add_generation_prompt=True,
                                             return_dict=False)
            said = read.encode(" " + answer, add_special_tokens=False) + [read.eos_token_id]
            rows.append((asked + said, [-100] * len(asked) + said))
        longest = max(len(row) for row, _ in rows)
        fill = lambda row, by: row + [by] * (longest - len(row))
        inputs = torch.tensor([fill(row, 0) for row, _ in rows])
        labels = torch.tensor([fill(row, -100) for _, row in rows])
        loss = model(input_ids=inputs, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(step, longest, float(loss.detach()), flush=True)
    return model.eval()


def main():
    """All of it."""
    _, config = tokenizer(WRITER)
    write(WRITER / "tokenizer_config.json", config | {"chat_template": TEMPLATE})
    read = PreTrainedTokenizerFast.from_pretrained(WRITER)
    torch.manual_seed(3)
    model = trained(MistralForCausalLM(MistralConfig(**SIZES, rope_theta=1e4)), read)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, WRITER / "model.safetensors", metadata={"format": "pt"})
    write(WRITER / "config.json", SIZES | {
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "rope_theta": 1e4, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "float16", "bos_token_id": 1, "eos_token_id": 2})
    write(WRITER / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "_from_model_config": True})
    expected()


def expected():
    """What transformers writes, greedily, in a conversation; and, to be looked at, what it draws."""
    read = PreTrainedTokenizerFast.from_pretrained(WRITER)
    model, told = MistralForCausalLM.from_pretrained(WRITER, dtype=torch.float32, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"], told
    model = model.eval()

    def written(request, **how):
        messages = [{"role": "user", "content": request}]
        asked = read.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=False)
        out = model.generate(asked, attention_mask=torch.ones_like(asked), pad_token_id=0, max_new_tokens=300,
                             repetition_penalty=1.1, return_dict_in_generate=True, output_scores=True, **how)
        return asked[0].tolist(), out.sequences[0, asked.shape[1]:].tolist(), out.scores

    def clear_cut():
        """The request whose choices are furthest from being others, so that rounding changes none."""
        best = (0.0,)
        for animal in ANIMALS:
            for count in range(2, 5):
                request = INSTRUCTION.format(**{"count": count, "class": animal})
                asked, tokens, scores = written(request, do_sample=False)
                two = torch.stack([score[0].topk(2).values for score in scores])
                distance = float((two[:, 0] - two[:, 1]).min())
                if tokens[-1] == read.eos_token_id and distance > best[0]:
                    best = (distance, request, asked, tokens)
        return best

    distance, request, asked, tokens = clear_cut()
    print("closest choice", distance)
    golden = {"instruction": request, "repetition_penalty": 1.1,
              "rendered": read.apply_chat_template([{"role": "user", "content": request}],
                                                   add_generation_prompt=True, tokenize=False),
              "prompt_tokens": asked, "tokens": tokens[:-1],
              "text": read.decode(tokens, skip_special_tokens=True)}
    text = json.dumps(golden, indent=1)
    (HERE / "language.json").write_text(text + "\n")
    print(golden["rendered"] + golden["text"])
    torch.manual_seed(4)
    for animal, count in (("elephant", 4), ("giraffe", 4), ("zebra", 2), ("penguin", 6), ("camel", 3)):
        _, tokens, _ = written(INSTRUCTION.format(**{"count": count, "class": animal}), do_sample=True, temperature=0.7,
                               top_k=40, top_p=0.95)
        print(animal, count, read.decode(tokens), sep="\n")


if __name__ == "__main__":
    main()
