"""The result of a sweep, as it lies on the disk beside those of its runs."""

from typing import Final, Literal

from benchmarks.load.spec import Limits
from benchmarks.load.sweep_spec import SweepSettings
from benchmarks.results.frontier import FrontierPoint
from benchmarks.results.schema import Record, Subject

SWEEP_VERSION: Final = 1


class SweepStep(Record):
    """One run of a sweep, whose result lies in `folder`, None where nothing was written.

    `reason` is why this level was tried; `values` has the seconds at the sweep's percentile of each
    limit, None where so many requests failed that it has none; `broken` names the limits that were
    not kept, and `void` says why the run tells nothing of the server. `cached` is the share of the
    prompts' tokens that a prefix cache knew, None where the server does not tell it.
    """

    level: float
    reason: str
    folder: str | None
    kept: bool
    broken: tuple[str, ...]
    void: tuple[str, ...]
    values: dict[str, float | None]
    requests: int
    failed: int
    cached: float | None
    frontier: FrontierPoint


class Sweep(Record):
    """sweep.json. `highest` is the highest level that kept the limits, `lowest_broken` the lowest
    above it that did not; between them lies the answer. `end` is a sentence of why it ended."""

    schema_version: Literal[1] = SWEEP_VERSION
    started_at: str
    subject: Subject
    unit: Literal["users", "requests/s"]
    limits: Limits
    settings: SweepSettings
    steps: tuple[SweepStep, ...] = ()
    highest: float | None = None
    lowest_broken: float | None = None
    end: str | None = None
