"""Command line: makes the demo model from nothing, or scores one that exists."""

import argparse
import time
from pathlib import Path

from build_scripts.demo_model.architecture import write_model
from build_scripts.demo_model.corpus import all_questions
from build_scripts.demo_model.publishing import replaced_directory
from build_scripts.demo_model.question import render_questions
from build_scripts.demo_model.scoring import score_directory
from build_scripts.demo_model.tokenizer import train_tokenizer, write_tokenizer
from build_scripts.demo_model.training import train
from common.command_line import Parser

_OUTPUT = Path("common/demo_model")
_STEPS = 1200


def main() -> None:
    """Runs the command of the process's arguments."""
    arguments = _parse()
    directory: Path = arguments.check or arguments.output
    if arguments.check is None:
        _make(directory, seed=arguments.seed, steps=arguments.steps)
    for score in score_directory(directory):
        print("\n".join(score.lines()), flush=True)


def _parse() -> argparse.Namespace:
    parser = Parser(prog="python -m build_scripts.demo_model", description=__doc__)
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="directory to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=_STEPS, help="training steps")
    parser.add_argument("--check", type=Path, metavar="DIR", help="only score an existing model")
    return parser.parse_args()


def _make(directory: Path, *, seed: int, steps: int) -> None:
    started = time.monotonic()
    with replaced_directory(directory) as fresh:
        questions = render_questions(all_questions())
        (fresh / "questions.jsonl").write_text(questions, encoding="utf-8")
        tokenizer = train_tokenizer()
        write_tokenizer(tokenizer, fresh)
        model = train(tokenizer, seed=seed, steps=steps)
        write_model(model, tokenizer, fresh)
    size = sum(path.stat().st_size for path in directory.iterdir())
    elapsed = time.monotonic() - started
    print(f"wrote {directory}: {size / 1e6:.1f} MB after {elapsed:.0f} s", flush=True)


if __name__ == "__main__":
    main()
