"""Which files of a hub repository are fetched; the hub itself is not reachable from a test."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from common.errors import StartError
from common.models.__main__ import main
from common.models.hub import download, hub_errors
from common.settings import Settings


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ({"config.json", "a.safetensors", "a.bin"}, {"config.json", "a.safetensors"}),
        ({"config.json", "a.bin", "modeling_x.py"}, {"config.json", "a.bin", "modeling_x.py"}),
        ({"config.json", "a.safetensors", "a.onnx"}, {"config.json", "a.safetensors"}),
    ],
)
def test_old_weights_come_only_where_there_are_no_others(
    repository: set[str], expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hub(model: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert (model, revision) == ("org/name", "v1")
        for name in repository:
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                (tmp_path / name).touch()
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    settings: dict[str, Any] = {"model": "org/name", "revision": "v1"}
    assert download(Settings(**settings)) == tmp_path
    assert {file.name for file in tmp_path.iterdir()} == expected


def test_the_command_fetches_all_that_a_start_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str | None]] = []

    def hub(model: str, *, revision: str | None = None, allow_patterns: list[str]) -> str:
        asked.append((model, revision))
        (tmp_path / "a.safetensors").touch()
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    here = {"ADAPTERS": f"one=org/adapter,two={tmp_path}", "SPECULATIVE": "draft:org/small:4"}
    for name, value in {"MODEL": "org/name", "REVISION": "v1", **here}.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 0
    assert asked == [("org/name", "v1"), ("org/adapter", None), ("org/small", None)]
    monkeypatch.setenv("MODEL", "./nothing-here")
    assert main([]) == 1
    assert "no directory './nothing-here'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no route"),
        httpx.ReadTimeout("late"),
        requests.ConnectionError("no route"),
        requests.ReadTimeout("late"),
    ],
)
def test_a_hub_out_of_reach_is_one_line_with_the_old_client_too(error: Exception) -> None:
    with pytest.raises(StartError, match="the hub cannot be reached"), hub_errors("org/name"):
        raise error
