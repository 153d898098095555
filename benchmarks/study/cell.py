"""What one measurement of a study is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.load.spec import Spec
from benchmarks.load.sweep_spec import SweepSpec
from benchmarks.quality.tasks import QualityTask
from benchmarks.study.spec import StudyModel, StudyTarget
from benchmarks.words import counted


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """One measurement of a study; repeats count from 0.

    `id` is for a folder, and says what lies in it. `content` is all that bears on the numbers, and
    `hash` that of it; cells of one `service` may share a start of it.
    """

    target: StudyTarget
    model: StudyModel
    quantization: str
    repeat: int
    content: Mapping[str, Any]
    id: str
    hash: str
    service: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """Returns what the service is started with, beside model and quantization."""
        settings: Mapping[str, Any] = self.content["settings"]
        return settings


@dataclass(frozen=True, kw_only=True)
class LoadCell(StudyCell):
    """A run of load. `system_prompt` is its name in the file; the URL in `spec` is not that of a
    service which is yet to be started."""

    system_prompt: str
    spec: Spec

    @property
    def level(self) -> str:
        """Returns how many users there are, or which rate, for a reader; of a sweep, where it
        begins."""
        return f"a sweep from {self._level} on" if self.is_sweep else self._level

    @property
    def is_sweep(self) -> bool:
        return isinstance(self.spec, SweepSpec)

    @property
    def most_seconds(self) -> float:
        """Returns the seconds of its load: of a sweep, those of all runs that it may make."""
        steps = self.spec.sweep.steps if isinstance(self.spec, SweepSpec) else 1
        return self.spec.duration * steps

    @property
    def _level(self) -> str:
        if self.spec.users is not None:
            return counted(self.spec.users, "user")
        if self.spec.rate is not None:
            return f"{self.spec.rate:g} requests/s"
        return f"the trace at {self.spec.trace_speed:g} times its speed"


@dataclass(frozen=True, kw_only=True)
class QualityCell(StudyCell):
    """The tasks of quality, once for a backend, model and quantization: answers at temperature 0
    need no repeats."""

    tasks: tuple[QualityTask, ...]
