"""Published figures, which lie beside the studies that measure the same again."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.report.cells import Group
from benchmarks.report.conditions import NO_SYSTEM_PROMPT
from benchmarks.report.metrics import Metric
from benchmarks.report.names import display_name

STUDIES = Path(__file__).parents[1] / "studies"
SUFFIX = ".references.toml"


class PublishedFigure(BaseModel):
    """A figure, or its range, of one backend under one load; `metric` is the key of one. The
    quantization is named as in the conditions of a report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str
    model: str
    quantization: str
    users: int
    metric: str
    low: float
    high: float
    note: str = ""


class Publication(BaseModel):
    """A file of figures. `address` is that of the page that they were read on, and `load` says what
    was put on the backends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    address: str
    gpu: str
    load: str
    figures: tuple[PublishedFigure, ...]


@dataclass(frozen=True)
class Reference:
    """A published figure that a cell of a report can be seen against."""

    publication: Publication
    figure: PublishedFigure


def references(group: Group, metric: Metric) -> Mapping[tuple[str, float], Reference]:
    """Returns by backend and users what was published of the group's model and quantization under
    a closed loop without a system prompt."""
    condition = group.condition
    if group.unit != "users" or condition.system_prompt != NO_SYSTEM_PROMPT:
        return {}
    return {
        (display_name(each.backend), float(each.users)): Reference(publication, each)
        for publication in publications()
        for each in publication.figures
        if (each.model, each.quantization, each.metric)
        == (condition.model, condition.quantization, metric.key)
    }


@cache
def publications() -> tuple[Publication, ...]:
    """Returns all that lie beside the studies of this repository."""
    files = sorted(STUDIES.glob(f"*{SUFFIX}"))
    return tuple(Publication(**tomllib.loads(file.read_text("utf-8"))) for file in files)
