"""Last step of a build: a checkpoint against its source; run by a tool's interpreter."""

import argparse
from pathlib import Path
from typing import Any

from build_scripts.quantize.generation import right_answers
from build_scripts.quantize.loading import load
from build_scripts.quantize.portable import write_json
from build_scripts.quantize.schemes import QUALITY, SOURCE
from build_scripts.quantize.tool import read_tokens

BATCH = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m build_scripts.quantize.measure")
    parser.add_argument("--prepared", type=Path, required=True, help="written by .prepare")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--trust-remote-code", action="store_true")
    options = parser.parse_args()
    tokens = read_tokens(options.prepared)
    source, trust = options.prepared / SOURCE, options.trust_remote_code
    before = _measure(source, tokens, trust)
    after = _measure(options.checkpoint, tokens, trust)
    quality: dict[str, Any] = {name: [before[name], after[name]] for name in before}
    for name, (old, new) in quality.items():
        print(f"{name.replace('_', ' ')}: {old:g} before, {new:g} after", flush=True)
    blocks = tokens["held_out"]
    told = {name: {"before": old, "after": new} for name, (old, new) in quality.items()}
    told["measured_on"] = {
        "tokens": sum(map(len, blocks)),
        "questions": len(tokens["questions"]),
    }
    write_json(options.checkpoint / QUALITY, told)


def _measure(directory: Path, tokens: dict[str, Any], trust_remote_code: bool) -> dict[str, float]:
    """Perplexity over the held-out blocks, and the share of questions answered exactly."""
    model = load(directory, trust_remote_code=trust_remote_code)
    found = {}
    if tokens["held_out"]:
        found["perplexity"] = round(perplexity(model, tokens["held_out"]), 4)
    if tokens["questions"]:
        right = right_answers(model, directory / "tokenizer.json", tokens["questions"])
        found["exact_answers"] = round(right / len(tokens["questions"]), 4)
    return found


def perplexity(model: Any, blocks: list[list[int]]) -> float:
    """Of each token but the first of a block; e to the mean of the negative logarithms."""
    import torch

    ids = torch.tensor(blocks)
    total = 0.0
    with torch.inference_mode():
        for batch in ids.to(model.device).split(BATCH):
            logits = model(batch, use_cache=False).logits[:, :-1].float()
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="sum"
            )
            total += float(loss)
    return float(torch.tensor(total / ids[:, 1:].numel()).exp())


if __name__ == "__main__":
    main()
