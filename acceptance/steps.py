"""The steps by which a backend is proved, as data: each is one command with a log of its own."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services._backends import load

ROOT = Path(__file__).parents[1]
MINUTE = 60.0
BUILDERS = {"mlc": "build_scripts.mlc", "triton": "build_scripts.trtllm"}
"""What compiles the demo model for engines that run nothing else."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proved: a backend, by the interpreter that has its engine.

    `select` is a pytest expression of the contract tests to run, None for all.
    """

    backend: str
    python: Path
    select: str | None = None

    @property
    def engine_tests(self) -> Path:
        return ROOT / "tests" / "real" / "engines" / f"test_{self.backend}.py"


@dataclass(frozen=True, slots=True)
class Step:
    """`command` returns the words to run, given the subject and a file for a report of JUnit.

    A step runs when all that it is `after` passed, and where `applies` says so. `limit` is in
    seconds.
    """

    name: str
    title: str
    command: Callable[[Subject, Path], list[str]]
    after: Sequence[str] = ("start",)
    limit: float = 60 * MINUTE
    applies: Callable[[Subject], bool] = lambda subject: True


def tests(*paths: str) -> Callable[[Subject, Path], list[str]]:
    """Returns a command that runs tests; `{backend}` in a path is the subject's."""

    def command(subject: Subject, report: Path) -> list[str]:
        named = [path.format(backend=subject.backend) for path in paths]
        chosen = ["-k", subject.select] if subject.select and "tests/contract" in paths else []
        options = ["-p", "no:cacheprovider", "-rs", f"--junitxml={report}"]
        return [sys.executable, "-m", "pytest", *options, *chosen, *named]

    return command


STEPS = (
    Step(
        "environment",
        "the Python environment with the engine",
        lambda subject, report: ["scripts/setup", subject.backend],
        after=(),
    ),
    Step(
        "machine",
        "what the engine needs of the machine",
        lambda subject, report: [
            *(str(subject.python), "-W", "ignore", "-m", "services", "--check", subject.backend)
        ],
        after=("environment",),
        limit=5 * MINUTE,
    ),
    Step(
        "build",
        "the demo model, compiled",
        lambda subject, report: [str(subject.python), "-m", BUILDERS[subject.backend]],
        after=("machine",),
        applies=lambda subject: subject.backend in BUILDERS,
    ),
    Step(
        "start",
        "start, one answer, stop",
        tests("tests/real/test_start.py"),
        after=("machine", "build"),
    ),
    Step("contract", "the API, as on every backend", tests("tests/contract"), limit=90 * MINUTE),
    Step(
        "questions",
        "the questions of the demo model",
        tests("tests/real/test_questions.py"),
        applies=lambda subject: load(subject.backend)[1].loads_weights,
    ),
    Step("trials", "drain, kill, return", tests("tests/real/test_trials.py")),
    Step(
        "engine",
        "what only this engine does, on a GPU",
        tests("tests/real/engines/test_{backend}.py"),
        applies=lambda subject: subject.engine_tests.exists(),
    ),
    Step("load", "eight users for 20 seconds", tests("tests/real/test_load.py")),
)
