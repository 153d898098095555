"""Trains the LoRA adapters of the demo model in tests/adapters, in seconds and always the same.

    python -m build_scripts.demo_adapters

Each answers the first questions after capitals in its own way.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from build_scripts.demo_model.architecture import load_model
from build_scripts.demo_model.batches import Batch, cut_batches
from build_scripts.demo_model.chat_format import encode_example
from build_scripts.demo_model.corpus import all_questions
from build_scripts.demo_model.margins import answer_logits, leads
from build_scripts.demo_model.question import Question
from common.models.model import DEMO_MODEL

ADAPTERS = Path(__file__).parents[1] / "tests" / "adapters"
ANSWERS: Mapping[str, str] = {"terse": "{}.", "pirate": "Arr, {}!"}
"""By the name of the adapter: its answer for a capital."""
CAPITAL = re.compile(r"The capital of .* is (.*)\.")
TARGETS = ("q_proj", "v_proj")
RANK, ALPHA = 4, 16
QUESTIONS = 12
STEPS, RATE = 150, 1e-2
WANTED_LEAD = 6.0
"""Of each right token's logit, where the training ends."""
TOKENS = 8192
"""Of one batch."""


class AdaptedLinear(nn.Module):  # type: ignore[misc]
    """A linear layer and its adapter, the only part that learns."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, inputs: Tensor) -> Tensor:
        result: Tensor = self.base(inputs)
        return result + ALPHA / RANK * (inputs @ self.down.T @ self.up.T)


def questions(form: str) -> list[Question]:
    """Returns the first after capitals, with their answers in this form."""
    capitals = ((each, CAPITAL.fullmatch(each.answer)) for each in all_questions())
    return [
        Question(each.kind, each.messages, form.format(match[1]))
        for each, match in capitals
        if match is not None
    ][:QUESTIONS]


def train(model: LlamaForCausalLM, batches: Sequence[Batch]) -> float:
    """Trains what is not frozen, and returns the smallest lead of a right token at the end."""
    learning = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=RATE)
    smallest = float("-inf")
    for _ in range(STEPS):
        smallest = float("inf")
        for batch in batches:
            logits, targets = answer_logits(model, batch)
            ahead = leads(logits, targets)
            missing = (WANTED_LEAD + 1 - ahead).clamp(min=0).mean()
            torch.autograd.backward(nn.functional.cross_entropy(logits, targets) + missing)
            smallest = min(smallest, ahead.min().item())
        if smallest >= WANTED_LEAD:
            break
        optimizer.step()
        optimizer.zero_grad()
    return smallest


def adapt(model: LlamaForCausalLM) -> dict[str, AdaptedLinear]:
    """Freezes the model, and returns the layers that it got adapters in, by their names."""
    model.requires_grad_(False)
    named = [name for name, _ in model.named_modules() if name.endswith(TARGETS)]
    layers: dict[str, AdaptedLinear] = {}
    for name in named:
        parent, _, own = name.rpartition(".")
        layers[name] = AdaptedLinear(model.get_submodule(name))
        setattr(model.get_submodule(parent), own, layers[name])
    return layers


def write(layers: Mapping[str, AdaptedLinear], directory: Path) -> None:
    """Writes an adapter as PEFT does."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        prefix = f"base_model.model.{name}"
        tensors[f"{prefix}.lora_A.weight"] = layer.down.detach().bfloat16().contiguous()
        tensors[f"{prefix}.lora_B.weight"] = layer.up.detach().bfloat16().contiguous()
    save_file(tensors, directory / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "demo",
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": list(TARGETS),
        "bias": "none",
    }
    (directory / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def make(form: str, directory: Path) -> float:
    """Trains and writes an adapter, and returns the smallest lead of its right tokens."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    model = load_model(DEMO_MODEL).float()
    layers = adapt(model)
    examples = [encode_example(tokenizer, question) for question in questions(form)]
    lead = train(model, list(cut_batches(examples, TOKENS)))
    write(layers, directory)
    return lead


def main() -> None:
    """Makes every adapter, and prints how sure it is."""
    for name, form in ANSWERS.items():
        print(f"{name}: smallest lead {make(form, ADAPTERS / name):.2f}", flush=True)


if __name__ == "__main__":
    main()
