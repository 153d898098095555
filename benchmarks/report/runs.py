"""The content of folders of results: runs, unmeasured cells of studies, unreadable files."""

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
    """There is nothing to report on; the message names the folder and says what would work."""


@dataclass(frozen=True)
class Run:
    """A result; `where` is its folder, relative to the folder that was given."""

    where: str
    result: Result


class ReportedCell(BaseModel):
    """A cell of study.json, as far as a report shows it."""

    id: str
    status: str
    reason: str | None = None
    backend: str = ""
    log: tuple[str, ...] = ()


class StudyStart(BaseModel):
    at: str = ""
    command: tuple[str, ...] = ()


class Study(BaseModel):
    """A study.json, as far as a report shows it."""

    name: str = ""
    file: str = ""
    text: str
    hash: str
    order: str = ""
    seed: int | None = None
    starts: tuple[StudyStart, ...] = ()
    cells: tuple[ReportedCell, ...] = ()
    folder: Path = Path()
    """The folder of the file."""

    @property
    def unmeasured_results(self) -> list[Path]:
        """The files that cells may have left which were measured in part, or before."""
        return [self.folder / CELLS / cell.id / RESULT for cell in self.unmeasured]

    @property
    def unmeasured(self) -> tuple[ReportedCell, ...]:
        return tuple(cell for cell in self.cells if cell.status not in ("ok", "void"))


@dataclass(frozen=True)
class Results:
    """All that a report is made of. `unreadable` has a sentence for each file."""

    name: str
    runs: tuple[Run, ...]
    studies: tuple[Study, ...] = ()
    unreadable: tuple[str, ...] = ()


def find_results(folder: Path) -> Results:
    """Returns every result under the folder, or that of the one file; raises NoResults."""
    if not folder.exists():
        raise NoResults(f"{folder}: there is no such folder; give one with {RESULT} files in it")
    root = folder.parent if folder.is_file() else folder
    studies, broken = _studies([] if folder.is_file() else sorted(folder.rglob(STUDY)), root)
    unmeasured = {path for study in studies for path in study.unmeasured_results}
    paths = [folder] if folder.is_file() else sorted({*folder.rglob(RESULT)} - unmeasured)
    runs, unreadable = [], []
    for path in paths:
        try:
            runs.append(Run(str(path.parent.relative_to(root)), read(path)))
        except Unreadable as error:
            unreadable.append(str(error).replace(f"{root}/", ""))
    if not runs:
        reason = f"; {unreadable[0]}" if unreadable else ""
        raise NoResults(f"{folder}: no readable {RESULT} in it{reason}")
    return Results(folder.resolve().name, tuple(runs), studies, (*unreadable, *broken))


def _studies(paths: Iterable[Path], root: Path) -> tuple[tuple[Study, ...], list[str]]:
    studies, broken = [], []
    for path in paths:
        try:
            values = json.loads(path.read_text("utf-8"))
            studies.append(Study.model_validate(values | {"folder": path.parent}))
        except (OSError, TypeError, ValueError) as error:
            reason = _first_error(error) if isinstance(error, ValidationError) else str(error)
            broken.append(f"{path.relative_to(root)}: {reason}")
    return tuple(studies), broken


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
