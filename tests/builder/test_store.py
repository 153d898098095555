"""A service finds what was built from its model: by content, or by hub id and revision."""

import dataclasses
from pathlib import Path

import pytest

from common.errors import StartError
from common.models.artifacts import FileEntry, Manifest, artifacts, find, store
from common.models.artifacts.fingerprint import fingerprint
from common.models.model import DEMO_MODEL
from common.settings import Settings

MANIFEST = Manifest(
    kind="checkpoint",
    builder="build_scripts.some",
    command="python -m build_scripts.some",
    model="org/name",
    revision="abc",
    fingerprint="0",
    scheme="awq",
    arguments={},
    tools={},
    created="2026-01-01T00:00:00+00:00",
    files={"weights": FileEntry("0", 5)},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "store_directory", lambda: tmp_path)
    return tmp_path


def put(folder: Path, version: str, content: str = "12345", **changes: object) -> None:
    directory = folder / "model" / version
    directory.mkdir(parents=True)
    (directory / "weights").write_text(content)
    dataclasses.replace(MANIFEST, **changes).write(directory)  # type: ignore[arg-type]


def versions(settings: Settings, **conditions: str) -> list[str]:
    found = find(settings, **{"kind": "checkpoint", **conditions})
    return [artifact.path.name for artifact in found]


def test_a_directory_is_known_by_its_content(folder: Path) -> None:
    put(folder, "other")
    put(folder, "demo", fingerprint=fingerprint(DEMO_MODEL), model="elsewhere")
    assert versions(Settings()) == ["demo"]
    assert versions(Settings(model=str(DEMO_MODEL))) == ["demo"]


def test_a_hub_id_is_known_by_its_name_and_revision(folder: Path) -> None:
    put(folder, "one", revision="abc", created="2026-01-01T00:00:00+00:00")
    put(folder, "two", revision="def", created="2026-01-02T00:00:00+00:00")
    assert versions(Settings(model="org/name")) == ["two", "one"]
    assert versions(Settings(model="org/name", revision="abc")) == ["one"]
    assert versions(Settings(model="org/other")) == []


def test_kind_and_scheme_select(folder: Path) -> None:
    put(folder, "awq")
    put(folder, "gptq", scheme="gptq")
    put(folder, "compiled", kind="compiled")
    settings = Settings(model="org/name")
    assert versions(settings, scheme="gptq") == ["gptq"]
    assert versions(settings, kind="compiled") == ["compiled"]
    assert set(versions(settings)) == {"awq", "gptq"}


def test_what_is_not_whole_is_not_there(folder: Path) -> None:
    put(folder, "cut", content="123")
    put(folder, "empty", files={})
    put(folder, "whole")
    (folder / "model" / "broken").mkdir()
    (folder / "model" / "broken" / "build.json").write_text("{")
    (folder / "model" / "strange").mkdir()
    (folder / "model" / "strange" / "build.json").write_text('{"gpu": "some"}')
    assert [artifact.tag for artifact in artifacts()] == ["model:whole"]


def test_a_directory_that_is_not_there_is_an_error(folder: Path) -> None:
    put(folder, "some")
    with pytest.raises(StartError, match="no directory"):
        find(Settings(model="./nowhere"), kind="checkpoint")
