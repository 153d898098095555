"""A user's mistake ends the start with one line that says what is allowed, and exit code 1.

Some are seen by the supervisor before anything starts, others by the worker while it loads.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.refusals import refusal_lines, refusals_before_start

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "before": ({"max_model_len": 10**6}, "is more than the model's"),
    "download": ({"model": "org/name", "hf_hub_offline": 1}, "hub cannot be reached"),
    "no hub id": ({"model": "org/--"}, "is no hub id"),
    "load": ({"engine_args": {"itll": 1}}, "itl"),
}
"""By where they are seen."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_without_a_traceback(mistake: str) -> None:
    settings, expected = MISTAKES[mistake]
    (line,) = refusal_lines("echo", **settings)
    assert line.startswith("error: ")
    assert expected in line


def test_a_mistake_that_the_supervisor_sees_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    expected: dict[str, dict[str, Any]] = {
        "'max_queue': input should be a valid integer": {"max_queue": "many"},
        "no directory './nowhere'": {"model": "./nowhere"},
        "has no tokenizer.json": {"model": tmp_path},
    }
    lines = refusals_before_start("echo", *expected.values())
    for part, line in zip(expected, lines, strict=True):
        assert part in line


def test_a_variable_that_is_nearly_a_setting_is_pointed_out() -> None:
    warning, error = refusal_lines("echo", max_model_lenn=64, engine_args={"failure": "start"})
    assert warning == (
        "warning: the variable MAX_MODEL_LENN is no setting (did you mean MAX_MODEL_LEN?)"
    )
    assert error.startswith("error: ")
    assert "failure is 'start'" in error
