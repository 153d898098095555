"""First step of a build: the texts as token ids, and the model as both tools can read it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError
from build_scripts.quantize.blocks import TextOptions, blocks
from build_scripts.quantize.samples import Texts, read_samples
from build_scripts.quantize.schemes import SOURCE, TOKENS
from common.models.portable import stage


def main() -> int:
    options = _parser().parse_args()
    text_options = TextOptions(
        options.calibration,
        options.held_out,
        options.questions,
        options.samples,
        options.sequence_length,
        options.samples > 0,
    )
    try:
        summary = prepare(options.model, text_options, options.output)
    except BuildError as error:
        print(error)
        return 1
    print(summary, flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m build_scripts.quantize.prepare")
    parser.add_argument("--model", type=Path, required=True, help="directory")
    parser.add_argument("--output", type=Path, required=True, help="directory")
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--samples", type=int, required=True, help="0: none are needed")
    parser.add_argument("--sequence-length", type=int, required=True)
    return parser


def prepare(model: Path, options: TextOptions, output: Path) -> str:
    """Fills `output` and returns what it holds in a sentence. Raises BuildError."""
    cut = blocks(model, options)
    questions = _questions(model, options.questions)
    tokens = {**cut._asdict(), "questions": questions}
    (output / TOKENS).write_text(json.dumps(tokens), "utf-8")
    stage(model, output / SOURCE)
    used = len(cut.calibration)
    use = f"{used} blocks of {options.length} tokens to calibrate with, " if used else ""
    if 0 < used < options.samples:
        use = f"{use.removesuffix(', ')} (all there are; --samples {options.samples}), "
    return (
        f"{options.calibration}: {use}{len(cut.held_out)} pieces to measure with; "
        f"{len(questions)} questions"
    )


def _questions(model: Path, file: Path | None) -> list[dict[str, Any]]:
    """Returns prompts as token ids with the answers' texts."""
    if file is None:
        return []
    samples = [sample for sample in read_samples(file) if sample.answer is not None]
    if not samples:
        raise BuildError(f"{file} has no questions: needed are messages or a prompt, and an answer")
    prompts = Texts(model).prompts(samples)
    return [{"prompt": p, "answer": s.answer} for p, s in zip(prompts, samples, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
