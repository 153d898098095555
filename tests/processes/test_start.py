"""A user's mistake ends the start with one line that says what is allowed, and exit code 1."""

from pathlib import Path
from typing import Any

import pytest

from tests.service_process import start_service

SECONDS = 60.0
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "wrong type": ({"max_queue": "many"}, "'max_queue': input should be a valid integer"),
    "missing directory": ({"model": "./nowhere"}, "no directory './nowhere'"),
    "no hub": ({"model": "org/name", "hf_hub_offline": 1}, "hub cannot be reached"),
    "no hub id": ({"model": "org/--"}, "is no hub id"),
    "too long": ({"max_model_len": 10**6}, "is more than the model's"),
    "engine argument": ({"engine_args": {"itll": 1}}, "itl"),
    "engine refuses": ({"engine_args": {"failure": "start"}}, "failure is 'start'"),
}


def refusal(**settings: Any) -> list[str]:
    """What the service prints apart from its log, when it must not start."""
    service = start_service("echo", wait=False, **settings)
    try:
        assert service.process.wait(SECONDS) == 1
    finally:
        service.process.kill()
        service.http.close()
    lines = service.log_text().splitlines()
    return [line for line in lines if line and "[INFO]" not in line]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_without_a_traceback(mistake: str) -> None:
    settings, expected = MISTAKES[mistake]
    lines = refusal(**settings)
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert expected in lines[0]


def test_a_directory_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    assert "has no tokenizer.json" in refusal(model=tmp_path)[0]


def test_a_variable_that_is_nearly_a_setting_is_pointed_out() -> None:
    lines = refusal(max_model_lenn=64, engine_args={"failure": "start"})
    assert (
        lines[0]
        == "warning: the variable MAX_MODEL_LENN is no setting (did you mean MAX_MODEL_LEN?)"
    )
