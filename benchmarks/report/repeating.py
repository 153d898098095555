"""The command that measures a run again, where no study file tells it."""

import shlex
from collections.abc import Iterable

from benchmarks.load.options import words
from benchmarks.report.runs import Run


def commands(runs: Iterable[Run]) -> list[str]:
    """Returns that of each run which `python -m benchmarks.load` measured, each once."""
    loads = (run.result.load for run in runs if run.result.client == "load")
    return list(dict.fromkeys(map(_command, map(words, loads))))


def _command(arguments: list[str]) -> str:
    return shlex.join(["python", "-m", "benchmarks.load", *arguments])
