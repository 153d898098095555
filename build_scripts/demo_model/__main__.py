"""Command line: trains the demo model's tokenizer and weights, or scores a model that exists.

Its questions, its config files and its chat template are those in common/demo_model.
"""

import argparse
import shutil
import time
from pathlib import Path

from build_scripts.demo_model.architecture import write_weights
from build_scripts.demo_model.scoring import score_directory
from build_scripts.demo_model.tokenizer import train_tokenizer
from build_scripts.demo_model.training import train
from common.command_line import Parser
from common.models.model import DEMO_MODEL

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
    parser.add_argument("--output", type=Path, default=DEMO_MODEL, help="directory to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=_STEPS, help="training steps")
    parser.add_argument("--check", type=Path, metavar="DIR", help="only score an existing model")
    return parser.parse_args()


def _make(directory: Path, *, seed: int, steps: int) -> None:
    """Writes at the end only: an interruption leaves an old model as it was."""
    started = time.monotonic()
    tokenizer = train_tokenizer()
    model = train(tokenizer, seed=seed, steps=steps)
    if directory.resolve() != DEMO_MODEL:
        shutil.copytree(DEMO_MODEL, directory, dirs_exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    write_weights(model, directory)
    size = sum(path.stat().st_size for path in directory.iterdir())
    elapsed = time.monotonic() - started
    print(f"wrote {directory}: {size / 1e6:.1f} MB after {elapsed:.0f} s", flush=True)


if __name__ == "__main__":
    main()
