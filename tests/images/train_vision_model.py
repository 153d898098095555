"""Trains the vision model of the tests, which names the colours of its images in their order.

`python -m tests.images.train_vision_model` writes tests/images/vision_model, in under a minute on
one core. The same versions of torch and transformers give the same weights.
"""

import json
import random
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from tests.images.pictures import COLOURS

FOLDER = Path(__file__).with_name("vision_model")
QUESTIONS = ("What colour is it?", "Which colours are these?", "Name the colours.", "")
TEXT_ONLY = {"Hello": "Hi there", "How are you?": "I am well"}
SPECIAL = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<image>")
TEMPLATE = """\
{%- for message in messages -%}
<|{{ message.role }}|>
{%- if message.content is string -%}{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}<image>{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""
SIDE, PATCH = 32, 16
TOKENS = (SIDE // PATCH) ** 2
"""Of each image in a prompt."""
STEPS, BATCH, MOST_IMAGES = 1200, 32, 3
IGNORED = -100


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Returns one of bytes, with tokens for the words of the questions and answers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    words = [*COLOURS, *(f" {name}" for name in COLOURS), *QUESTIONS, *TEXT_ONLY.values()]
    tokenizer.train_from_iterator(words * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>"
    )


def make_network(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=16,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        image_seq_length=TOKENS,
        tie_word_embeddings=True,
    )
    return LlavaForConditionalGeneration(config)


def example(rng: random.Random, tokenizer: Any) -> tuple[list[int], list[int], list[Any]]:
    """Returns the ids of a conversation, the labels of them, and the colours of its images."""
    if rng.random() < 0.1:
        question, answer = rng.choice(list(TEXT_ONLY.items()))
        names: list[str] = []
    else:
        names = rng.choices(list(COLOURS), k=rng.randint(1, MOST_IMAGES))
        parts = ["<image>" * TOKENS] * len(names)
        parts.insert(rng.randint(0, len(parts)), rng.choice(QUESTIONS))
        question, answer = "".join(parts), " ".join(names)
    asked = tokenizer.encode(f"<|user|>{question}<|end|><|assistant|>", add_special_tokens=False)
    said = tokenizer.encode(f"{answer}<|end|>", add_special_tokens=False)
    return asked + said, [IGNORED] * len(asked) + said, [COLOURS[name] for name in names]


def pixels(colours: list[Any], processor: CLIPImageProcessorPil) -> torch.Tensor:
    """Returns images of about these colours, as the processor normalizes them."""
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (processor.image_mean, processor.image_std)
    )
    plain = torch.tensor(colours, dtype=torch.float32).view(-1, 3, 1, 1) / 255
    shifted = (plain + 0.05 * torch.randn_like(plain)).expand(-1, 3, SIDE, SIDE)
    return (shifted + 0.02 * torch.randn(shifted.shape) - mean) / std


def train(network: Any, tokenizer: Any, processor: Any) -> None:
    rng = random.Random(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    for step in range(STEPS):
        examples = [example(rng, tokenizer) for _ in range(BATCH)]
        longest = max(len(ids) for ids, _, _ in examples)
        ids, labels = (
            torch.tensor([row[i] + [fill] * (longest - len(row[i])) for row in examples])
            for i, fill in ((0, tokenizer.pad_token_id), (1, IGNORED))
        )
        colours = [colour for row in examples for colour in row[2]]
        loss = network(input_ids=ids, labels=labels, pixel_values=pixels(colours, processor)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.5f}")


def rename_as_published(file: Path) -> None:
    """Gives the vision tower's weights the names that they have in published checkpoints: vLLM
    knows those only, and transformers knows both."""
    prefix = "vision_tower."
    weights = load_file(file)
    for name in [name for name in weights if name.startswith(prefix)]:
        weights[f"{prefix}vision_model.{name.removeprefix(prefix)}"] = weights.pop(name)
    save_file(weights, file, {"format": "pt"})


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    network = make_network(tokenizer)
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    train(network, tokenizer, image_processor)
    FOLDER.mkdir(exist_ok=True)
    # Half the size, and computed with as float32 all the same: config.json says so.
    network.to(torch.bfloat16).save_pretrained(FOLDER)
    rename_as_published(FOLDER / "model.safetensors")
    LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(FOLDER)
    config = FOLDER / "config.json"
    values = json.loads(config.read_text())
    values["dtype"] = values["text_config"]["dtype"] = values["vision_config"]["dtype"] = "float32"
    config.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
