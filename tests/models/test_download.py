"""Which files of a hub repository are fetched; the hub itself is not reachable from a test."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from common.models.hub import download
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
