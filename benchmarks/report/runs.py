"""The content of folders of results: runs, unmeasured cells of studies, unreadable files."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from benchmarks.report.names import display_name
from benchmarks.report.wording import joined
from benchmarks.results.files import (
    QUALITY,
    RESULT,
    SWEEP,
    Unreadable,
    read,
    read_quality,
    read_sweep,
)
from benchmarks.results.quality import Quality
from benchmarks.results.schema import Result
from benchmarks.results.sweep import Sweep
from benchmarks.study.manifest import CELLS
from common.messages import one_line

STUDY = "study.json"


class NoResults(ValueError):
    """There is nothing to report on; the message names the folder and says what would work."""


@dataclass(frozen=True)
class Run:
    """A result; `where` is its folder, relative to the folder that was given. `study` is the folder
    of its study, and `session` when the start of the study began that measured it."""

    where: str
    result: Result
    folder: Path | None = None
    study: Path | None = None
    session: str | None = None


@dataclass(frozen=True)
class ScoredRun:
    """The scores of a run of tasks; `where` is its folder."""

    where: str
    quality: Quality


class ReportedCell(BaseModel):
    """A cell of study.json, as far as a report shows it."""

    id: str
    status: str
    reason: str | None = None
    backend: str = ""
    model: str = ""
    quantization: str = ""
    users: int | None = None
    rate: float | None = None
    system_prompt: str = ""
    start_seconds: float | None = None
    log: tuple[str, ...] = ()

    @property
    def level(self) -> float | None:
        """The users or the requests per second; None for one that is no load."""
        return self.rate if self.users is None else float(self.users)


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
        return [
            path
            for cell in self.unmeasured
            for name in (RESULT, QUALITY, SWEEP)
            for path in (self.folder / CELLS / cell.id).rglob(name)
        ]

    def session(self, at: str) -> str | None:
        """Returns when that start of the study began which measured something at `at`."""
        before = [start.at for start in self.starts if start.at and start.at <= at]
        return max(before, default=None)

    @property
    def unmeasured(self) -> tuple[ReportedCell, ...]:
        return tuple(cell for cell in self.cells if cell.status not in ("ok", "void"))


@dataclass(frozen=True)
class Results:
    """All that a report is made of. `unreadable` has a sentence for each file."""

    name: str
    runs: tuple[Run, ...]
    scored: tuple[ScoredRun, ...] = ()
    studies: tuple[Study, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    unreadable: tuple[str, ...] = ()


def days(results: Results) -> str:
    """Returns the day of the measurement, or the first and the last one."""
    every = sorted(
        {run.result.started_at[:10] for run in results.runs}
        | {each.quality.started_at[:10] for each in results.scored}
    )
    return every[0] if len(every) == 1 else f"{every[0]} to {every[-1]}"


def conditions(results: Results) -> str:
    """Returns on what, with which engines, when and under which load it was measured, each thing
    once."""
    measured = [(run.result.environment, run.result.subject) for run in results.runs]
    measured += [(each.quality.environment, each.quality.subject) for each in results.scored]
    machines = {
        ", ".join((machine.host, *(machine.gpus or ("no GPU",)))) for machine, _ in measured
    }
    engines = {
        " ".join(
            filter(None, (display_name(subject.engine or subject.backend), subject.backend_version))
        )
        for _, subject in measured
    }
    parts = ("; ".join(sorted(machines)), ", ".join(sorted(engines)), days(results))
    return "; ".join(filter(None, (*parts, _loads(results))))


def _loads(results: Results) -> str:
    """Returns the levels of load, as "10, 50 and 100 users"."""
    loads = [run.result.load for run in results.runs]
    users = sorted({load.users for load in loads if load.mode == "closed" and load.users})
    rates = sorted({load.rate for load in loads if load.mode != "closed" and load.rate})
    texts = [f"{joined([*map(str, users)])} user{'' if users == [1] else 's'}"] if users else []
    texts += [f"{joined([f'{rate:g}' for rate in rates])} requests/s"] if rates else []
    return " and ".join(texts)


def find_results(folder: Path) -> Results:
    """Returns every result under the folder, or that of the one file; raises NoResults."""
    if not folder.exists():
        raise NoResults(f"{folder}: there is no such folder; give one with {RESULT} files in it")
    root = folder.parent if folder.is_file() else folder
    studies, broken = _studies([] if folder.is_file() else sorted(folder.rglob(STUDY)), root)
    unmeasured = {path for study in studies for path in study.unmeasured_results}
    paths = [folder] if folder.is_file() else sorted({*folder.rglob(RESULT)} - unmeasured)
    tasks = [] if folder.is_file() else sorted({*folder.rglob(QUALITY)} - unmeasured)
    searches = [] if folder.is_file() else sorted({*folder.rglob(SWEEP)} - unmeasured)
    runs, scored, sweeps, unreadable = [], [], [], []
    for path in (*paths, *tasks, *searches):
        where = str(path.parent.relative_to(root))
        try:
            if path.name == QUALITY:
                scored.append(ScoredRun(where, read_quality(path)))
            elif path.name == SWEEP:
                sweeps.append(read_sweep(path))
            else:
                runs.append(_run(path, where, studies))
        except Unreadable as error:
            unreadable.append(str(error).replace(f"{root}/", ""))
    if not runs:
        reason = f"; {unreadable[0]}" if unreadable else ""
        raise NoResults(f"{folder}: no readable {RESULT} in it{reason}")
    return Results(
        folder.resolve().name,
        tuple(runs),
        tuple(scored),
        studies,
        tuple(sweeps),
        (*unreadable, *broken),
    )


def _run(path: Path, where: str, studies: Iterable[Study]) -> Run:
    """Returns the run with its study, if there is one; raises Unreadable."""
    result = read(path)
    study = next((each for each in studies if each.folder in path.parents), None)
    if study is None:
        return Run(where, result, path.parent)
    return Run(where, result, path.parent, study.folder, study.session(result.started_at))


def _studies(paths: Iterable[Path], root: Path) -> tuple[tuple[Study, ...], list[str]]:
    studies, broken = [], []
    for path in paths:
        try:
            values = json.loads(path.read_text("utf-8"))
            studies.append(Study.model_validate(values | {"folder": path.parent}))
        except (OSError, TypeError, ValueError) as error:
            broken.append(f"{path.relative_to(root)}: {one_line(error)}")
    return tuple(studies), broken
