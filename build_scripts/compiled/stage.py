"""First step of a build: the model as tools with an older transformers read it, and the texts to
measure with as they want them.

The tools get a directory of links, because some write into the model's: MLC-LLM adds an index to
weights in one file.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError
from build_scripts.quantize.samples import Sample, Texts, read_samples
from common.models.portable import stage
from common.text.tokenizer import Tokenizer

DATASET = "train.jsonl"
"""A name that Hugging Face's datasets take for the split `train`."""
SHORTEST, LONGEST_PROMPT, LONGEST = 4, 1024, 2048
"""Tokens: mlc-ai/mlc-llm 79d603f0, python/mlc_llm/interface/calibrate.py leaves out others."""


def command(model: Path, output: Path) -> list[str]:
    """Returns how a recipe runs this."""
    words = [sys.executable, "-m", "build_scripts.compiled.stage"]
    return [*words, "--model", str(model.absolute()), "--output", str(output)]


def texts(model: Path, file: Path, most: int) -> list[str]:
    """Returns whole samples, in the model's chat template. Raises BuildError."""
    texts = Texts(model)
    return texts.texts(texts.samples(file)[:most])


def conversations(model: Path, file: Path, least: int) -> list[dict[str, Any]]:
    """Returns questions with answers in ShareGPT's form.

    Raises BuildError for fewer than `least`.
    """
    encode = Tokenizer(model).fast.encode
    talks = []
    for question, answer in filter(None, map(_turns, read_samples(file))):
        asked, answered = (
            len(encode(text, add_special_tokens=False).ids) for text in (question, answer)
        )
        if (
            min(asked, answered) >= SHORTEST
            and asked <= LONGEST_PROMPT
            and asked + answered <= LONGEST
        ):
            turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
            talks.append({"conversations": turns})
    if len(talks) < least:
        raise BuildError(
            f"{file} has {len(talks)} questions with an answer, each of at least {SHORTEST} tokens "
            f"and at most {LONGEST} together; needed are {least} (--calibration-samples)"
        )
    return talks


def _turns(sample: Sample) -> tuple[str, str] | None:
    """Returns the first question and its answer, None where one is missing."""
    contents = [(m.get("role"), m.get("content")) for m in sample.messages]
    asked = next((text for role, text in contents if role == "user"), None)
    answered = next((text for role, text in contents if role == "assistant"), sample.answer)
    return (asked, answered) if isinstance(asked, str) and isinstance(answered, str) else None


def write_dataset(samples: list[str], folder: Path) -> None:
    folder.mkdir()
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in samples)
    (folder / DATASET).write_text("".join(lines), "utf-8")


def main() -> int:
    options = _parser().parse_args()
    try:
        if options.dataset is not None:
            samples = texts(options.model, options.calibration, options.samples)
            write_dataset(samples, options.dataset)
            print(f"{options.calibration}: {len(samples)} samples", flush=True)
        if options.conversations is not None:
            talks = conversations(options.model, options.calibration, options.samples)
            options.conversations.write_text(json.dumps(talks), "utf-8")
            print(f"{options.calibration}: {len(talks)} conversations", flush=True)
    except BuildError as error:
        print(error)
        return 1
    stage(options.model, options.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m build_scripts.compiled.stage")
    parser.add_argument("--model", type=Path, required=True, help="directory")
    parser.add_argument("--output", type=Path, required=True, help="new directory")
    parser.add_argument("--calibration", type=Path, metavar="FILE")
    parser.add_argument("--samples", type=int, metavar="N")
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="new directory, of texts")
    parser.add_argument("--conversations", type=Path, metavar="FILE", help="in ShareGPT's form")
    return parser


if __name__ == "__main__":
    sys.exit(main())
