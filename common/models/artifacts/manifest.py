"""The record beside everything that is built: from what, by what, for which GPU, and its files."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from common.errors import StartError
from common.files import read_json

MANIFEST = "build.json"


class FileEntry(NamedTuple):
    """`sha256` in hexadecimal, `size` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """`kind` says what loads it: "checkpoint" (any engine), or the one program that does.

    `model` is the hub id, or the name of the directory, that it was built from, `fingerprint` its
    content. `arguments` and `tools` (with their versions) are everything else that decides the
    result. `compute_capability` (such as "8.0") and `gpu` are None for what runs on any GPU.
    `command` makes it again.
    """

    kind: str
    builder: str
    command: str
    model: str
    revision: str | None
    fingerprint: str
    scheme: str
    arguments: Mapping[str, Any]
    tools: Mapping[str, str]
    created: str
    """ISO 8601, UTC."""
    gpu: str | None = None
    compute_capability: str | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    """The files by their path inside the artifact."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """The builder's measurements, such as perplexities."""

    def write(self, directory: Path) -> None:
        values = dataclasses.asdict(self)
        values["files"] = {name: entry._asdict() for name, entry in self.files.items()}
        text = json.dumps(values, indent=2, ensure_ascii=False, sort_keys=True)
        (directory / MANIFEST).write_text(text + "\n", "utf-8")


def read_manifest(directory: Path) -> Manifest:
    """Reads build.json. Raises StartError for a file that is missing or not such a record."""
    file = directory / MANIFEST
    values = read_json(file)
    names = {each.name for each in dataclasses.fields(Manifest)}
    try:
        known = {name: value for name, value in values.items() if name in names}
        known["files"] = {n: FileEntry(**entry) for n, entry in known.get("files", {}).items()}
        return Manifest(**known)
    except (TypeError, AttributeError) as error:
        raise StartError(f"{file} is not the record of a build ({error})") from None


def whole(directory: Path, manifest: Manifest) -> bool:
    """Returns whether every file is there in its full size; the content is not read."""
    for name, entry in manifest.files.items():
        file = directory / name
        if not file.is_file() or file.stat().st_size != entry.size:
            return False
    return bool(manifest.files)
