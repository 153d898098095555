"""What lies in folders of results: runs, what a study could not measure, what cannot be read."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from benchmarks.results.files import RESULT, Unreadable, read
from benchmarks.results.schema import Result
from benchmarks.study.manifest import CELLS

STUDY = "study.json"


class NoResults(ValueError):
    """Nothing to report on; the message names the folder and says what would work."""


@dataclass(frozen=True)
class Run:
    """`where` is the run's folder, as a person would name it."""

    where: str
    result: Result


class Entry(BaseModel):
    """A cell of study.json, as far as a report tells of it."""

    id: str
    status: str
    reason: str | None = None
    backend: str = ""
    log: tuple[str, ...] = ()


class Start(BaseModel):
    at: str = ""
    command: tuple[str, ...] = ()


class Study(BaseModel):
    """study.json, as far as a report tells of it."""

    name: str = ""
    file: str = ""
    text: str
    hash: str
    order: str = ""
    seed: int | None = None
    starts: tuple[Start, ...] = ()
    cells: tuple[Entry, ...] = ()
    folder: Path = Path()
    """Where the file lies."""

    @property
    def unmeasured_results(self) -> list[Path]:
        """Where cells that were measured in part, or before, may have left something."""
        return [self.folder / CELLS / cell.id / RESULT for cell in self.unmeasured]

    @property
    def unmeasured(self) -> tuple[Entry, ...]:
        return tuple(cell for cell in self.cells if cell.status not in ("ok", "void"))


@dataclass(frozen=True)
class Found:
    """All of one side of a report. `unreadable` are sentences."""

    name: str
    runs: tuple[Run, ...]
    studies: tuple[Study, ...] = ()
    unreadable: tuple[str, ...] = ()


def find(folder: Path) -> Found:
    """Every result under the folder, or the one result file. Raises NoResults."""
    if not folder.exists():
        raise NoResults(f"{folder}: there is no such folder; give one with {RESULT} files in it")
    root = folder.parent if folder.is_file() else folder
    studies, broken = _studies([] if folder.is_file() else sorted(folder.rglob(STUDY)), root)
    unmeasured = {path for found in studies for path in found.unmeasured_results}
    paths = [folder] if folder.is_file() else sorted({*folder.rglob(RESULT)} - unmeasured)
    runs, unreadable = [], []
    for path in paths:
        try:
            runs.append(Run(str(path.parent.relative_to(root)), read(path)))
        except Unreadable as error:
            unreadable.append(_shorter(str(error), root))
    if not runs:
        why = f"; {unreadable[0]}" if unreadable else ""
        raise NoResults(f"{folder}: no readable {RESULT} in it{why}")
    return Found(folder.resolve().name, tuple(runs), studies, (*unreadable, *broken))


def _studies(paths: Iterable[Path], root: Path) -> tuple[tuple[Study, ...], list[str]]:
    studies, broken = [], []
    for path in paths:
        try:
            values = json.loads(path.read_text("utf-8"))
            studies.append(Study.model_validate(values | {"folder": path.parent}))
        except (OSError, TypeError, ValueError) as error:
            reason = _first(error) if isinstance(error, ValidationError) else str(error)
            broken.append(f"{path.relative_to(root)}: {reason}")
    return tuple(studies), broken


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _shorter(message: str, root: Path) -> str:
    return message.replace(f"{root}/", "")
