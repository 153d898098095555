"""The xgrammar of vLLM's environment."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.service_process import interpreter

HERE = Path(__file__).parent


def accepted(pairs: list[tuple[Any, list[str]]]) -> list[list[bool] | None]:
    """Returns, for each schema or structural tag, which of its documents the grammar accepts."""
    answers: list[list[bool] | None] = _answer("accepted", pairs)
    return answers


def masked(model: Path, pairs: list[tuple[Any, list[int]]]) -> list[list[int]]:
    """Returns, for each structural tag and token ids, those that its masks forbid."""
    answers: list[list[int]] = _answer("masked", pairs, str(model))
    return answers


@cache
def grammars() -> subprocess.Popen[str]:
    """Returns the process that answers all tests: its imports take longer than its answers."""
    python = interpreter("vllm")
    if python.parent.parent.name != ".venv-vllm":
        message = ".venv-vllm is not there: scripts/setup vllm"
        if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    command = [str(python), "-W", "ignore", str(HERE / "grammars.py")]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _answer(question: str, given: Any, *arguments: str) -> Any:
    process = grammars()
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps([question, given, *arguments]), file=process.stdin, flush=True)
    line = process.stdout.readline()
    assert line, f"the process of the grammars has ended with status {process.wait()}"
    return json.loads(line)


def end_grammars() -> None:
    """Ends that process, if there is one: it does so with its standard input."""
    if grammars.cache_info().currsize:
        grammars().communicate()
        grammars.cache_clear()
