"""study.json: what a study is and how far it has come; written whole after each step."""

import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmarks.results.files import write_whole
from benchmarks.results.schema import Environment, Record
from benchmarks.study.cell import LoadCell, StudyCell
from benchmarks.study.spec import NONE
from benchmarks.study.yaml_text import StudyError
from benchmarks.words import counted
from common.messages import one_line

FILE = "study.json"
CELLS = "cells"
LOCK = ".lock"
IGNORED = ".gitignore"
"""Keeps git from results in a checkout; who wants them there removes it."""


class Status(StrEnum):
    """Says how far a cell is. `VOID`: its client was the bottleneck; `STOPPED`: the study was
    interrupted meanwhile."""

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    VOID = "void"
    FAILED = "failed"
    STOPPED = "stopped"


FINISHED = (Status.OK, Status.VOID, Status.FAILED)


class CellEntry(Record):
    """One cell. `id` is also its folder in cells/; `content` all that bears on its numbers. One of
    quality has neither a load nor a system prompt.

    `seconds` from the start of its client, `start_seconds` those until its service was ready.
    `log` is the end of its service's or client's log when it failed, `versions` are those of the
    packages in the service's environment.
    """

    id: str
    hash: str
    status: Status = Status.PENDING
    reason: str | None = None
    backend: str
    model: str
    quantization: str
    users: int | None = None
    rate: float | None = None
    system_prompt: str = NONE
    repeat: int
    content: dict[str, Any]
    started_at: str | None = None
    seconds: float | None = None
    start_seconds: float | None = None
    log: tuple[str, ...] = ()
    versions: dict[str, str] = {}

    @property
    def of_quality(self) -> bool:
        return "quality" in self.content

    @property
    def of_sweep(self) -> bool:
        return "sweep" in self.content.get("load", {})


class RunnerStart(Record):
    """One start of the runner on this folder."""

    at: str
    command: tuple[str, ...]
    environment: Environment


class Manifest(Record):
    """study.json. `text` is the study file's; `cells` are in the order of their measurement."""

    schema_version: Literal[2] = 2
    name: str
    file: str
    text: str
    hash: str
    order: str
    seed: int
    share_service: bool
    starts: tuple[RunnerStart, ...] = ()
    cells: tuple[CellEntry, ...]


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(cell: StudyCell) -> CellEntry:
    """Returns that of a cell which is yet to be measured."""
    load: dict[str, Any] = {}
    if isinstance(cell, LoadCell):
        load = {"users": cell.spec.users, "rate": cell.spec.rate}
        load["system_prompt"] = cell.system_prompt
    return CellEntry(
        id=cell.id,
        hash=cell.hash,
        backend=cell.target.name,
        model=cell.model.name,
        quantization=cell.quantization,
        repeat=cell.repeat,
        content=dict(cell.content),
        **load,
    )


def load(folder: Path) -> Manifest | None:
    """Returns None where no study was begun. Raises StudyError for a file that is none."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Manifest.model_validate_json(path.read_text("utf-8"))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise StudyError(f"{path}: is not of this program: {one_line(error)}") from None


def save(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest. Raises OSError."""
    write_whole(folder / FILE, manifest.model_dump_json(indent=1) + "\n")


def merged(
    new: Sequence[CellEntry], before: Sequence[CellEntry], *, replace: bool
) -> tuple[CellEntry, ...]:
    """Returns the cells of the study as it is now, with what was measured of them.

    Raises StudyError where a cell was finished with another content, unless `replace`.
    """
    known = {one.id: one for one in before}
    changed = [
        f"{one.id} ({differences(known[one.id].content, one.content)})"
        for one in new
        if one.id in known
        and known[one.id].status in (Status.OK, Status.VOID)
        and known[one.id].hash != one.hash
    ]
    if changed and not replace:
        was = "was" if len(changed) == 1 else "were"
        shown = "; ".join(changed[:3]) + ("; …" if len(changed) > 3 else "")
        raise StudyError(
            f"{counted(len(changed), 'cell')} {was} measured with another study file: {shown}; "
            "give another --out, or --replace to measure them again"
        )
    return tuple(
        known[one.id] if one.id in known and known[one.id].hash == one.hash else one for one in new
    )


def differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> str:
    """Returns each field that differs, with both values."""
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changes.append(differences(old, new, f"{prefix}{name}."))
        else:
            changes.append(f"{prefix}{name}: {old} → {new}")
    return ", ".join(changes)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Makes the folder and locks it. Raises StudyError while another runner works in it. The lock
    ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / IGNORED).exists():
        (folder / IGNORED).write_text("*\n", "utf-8")
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(f"{folder}: another study is running there") from None
        yield
