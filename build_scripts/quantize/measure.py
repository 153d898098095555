"""Last step of a build: a checkpoint against its source; run by a tool's interpreter."""

import argparse
import math
from pathlib import Path
from typing import Any

from build_scripts.quantize.generation import greedy_answers
from build_scripts.quantize.loading import load
from build_scripts.quantize.progress import print_lines
from build_scripts.quantize.schemes import QUALITY, SOURCE
from build_scripts.quantize.tool import read_tokens
from common.models.portable import write_json

MAX_LOSS = 50.0
"""The most that counts, for a checkpoint that is broken: e to it is a number still."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m build_scripts.quantize.measure")
    parser.add_argument("--prepared", type=Path, required=True, help="written by .prepare")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--trust-remote-code", action="store_true")
    options = parser.parse_args()
    print_lines()
    tokens = read_tokens(options.prepared)
    source, trust = options.prepared / SOURCE, options.trust_remote_code
    before = _measure(source, tokens, trust)
    after = _measure(options.checkpoint, tokens, trust)
    quality: dict[str, Any] = {name: [before[name], after[name]] for name in before}
    for name, (old, new) in quality.items():
        print(f"{name.replace('_', ' ')}: {old:g} before, {new:g} after", flush=True)
    pieces = tokens["held_out"]
    record = {name: {"before": old, "after": new} for name, (old, new) in quality.items()}
    record["measured_on"] = {
        "tokens": sum(len(ids) - start for ids, start in pieces),
        "questions": len(tokens["questions"]),
    }
    write_json(options.checkpoint / QUALITY, record)


def _measure(directory: Path, tokens: dict[str, Any], trust_remote_code: bool) -> dict[str, float]:
    """Returns the perplexity of the held-out pieces and the share of questions answered exactly."""
    model = load(directory, trust_remote_code=trust_remote_code)
    measured = {}
    if tokens["held_out"]:
        measured["perplexity"] = round(perplexity(model, tokens["held_out"]), 4)
    if tokens["questions"]:
        measured["exact_answers"] = round(exact_answers(model, directory, tokens["questions"]), 4)
    return measured


def exact_answers(model: Any, directory: Path, questions: list[dict[str, Any]]) -> float:
    """Returns the share of questions that are answered to the letter."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    prompts, expected = (
        [question[part] for question in questions] for part in ("prompt", "answer")
    )
    answers = greedy_answers(model, tokenizer, prompts, expected)
    right: int = sum(answer == text for answer, text in zip(answers, expected, strict=True))
    return right / len(questions)


def perplexity(model: Any, pieces: list[tuple[list[int], int]]) -> float:
    """Returns e to the mean negative log-likelihood of the tokens of each piece from its start."""
    import torch

    total, count = 0.0, 0
    with torch.inference_mode():
        for piece, start in pieces:
            ids = torch.tensor(piece, device=model.device)
            logits = model(ids[None], use_cache=False).logits[0, start - 1 : -1].float()
            total += float(torch.nn.functional.cross_entropy(logits, ids[start:], reduction="sum"))
            count += len(piece) - start
    if math.isnan(total):
        raise SystemExit(f"{model.name_or_path} computes what is not a number")
    return math.exp(min(total / count, MAX_LOSS))


if __name__ == "__main__":
    main()
