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
from benchmarks.study.cells import Cell
from benchmarks.study.text import StudyError

FILE = "study.json"
CELLS = "cells"
LOCK = ".lock"


class Status(StrEnum):
    """Of a cell. `VOID`: its client was the bottleneck; `STOPPED`: the study was, meanwhile."""

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    VOID = "void"
    FAILED = "failed"
    STOPPED = "stopped"


FINISHED = (Status.OK, Status.VOID, Status.FAILED)


class Entry(Record):
    """One cell. `id` is also its folder in cells/; `content` all that bears on its numbers.

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
    users: int | None
    rate: float | None
    system_prompt: str
    repeat: int
    content: dict[str, Any]
    started_at: str | None = None
    seconds: float | None = None
    start_seconds: float | None = None
    log: tuple[str, ...] = ()
    versions: dict[str, str] = {}


class Start(Record):
    """One start of the runner on this folder."""

    at: str
    command: tuple[str, ...]
    environment: Environment


class Manifest(Record):
    """study.json. `text` is the study file's; `cells` are in the order of their measurement."""

    schema_version: Literal[1] = 1
    name: str
    file: str
    text: str
    hash: str
    order: str
    seed: int
    share_service: bool
    starts: tuple[Start, ...] = ()
    cells: tuple[Entry, ...]


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(cell: Cell) -> Entry:
    return Entry(
        id=cell.id,
        hash=cell.hash,
        backend=cell.target.name,
        model=cell.model.name,
        quantization=cell.quantization,
        users=cell.users,
        rate=cell.rate,
        system_prompt=cell.system_prompt,
        repeat=cell.repeat,
        content=dict(cell.content),
    )


def load(folder: Path) -> Manifest | None:
    """None where no study was begun. Raises StudyError for a file that is none."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Manifest.model_validate_json(path.read_text("utf-8"))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise StudyError(f"{path}: is not of this program: {where}: {first['msg']}") from None


def save(folder: Path, manifest: Manifest) -> None:
    """Raises OSError."""
    write_whole(folder / FILE, manifest.model_dump_json(indent=1) + "\n")


def merged(new: Sequence[Entry], before: Sequence[Entry], *, replace: bool) -> tuple[Entry, ...]:
    """The cells of the study as it is now, with what was measured of them.

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
        shown = "; ".join(changed[:3]) + ("; …" if len(changed) > 3 else "")
        raise StudyError(
            f"{len(changed)} cells were measured with another study file: {shown}; "
            "give another --out, or --replace to measure them again"
        )
    return tuple(
        known[one.id] if one.id in known and known[one.id].hash == one.hash else one for one in new
    )


def differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> str:
    """Each field that differs, with both values."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found.append(differences(old, new, f"{prefix}{name}."))
        else:
            found.append(f"{prefix}{name}: {old} → {new}")
    return ", ".join(found)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Raises StudyError while another runner works in `folder`. The lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(f"{folder}: another study is running there") from None
        yield
