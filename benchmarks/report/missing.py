"""The cells of studies that have no result, put where they would belong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.report.cells import Place
from benchmarks.report.conditions import quantization_name
from benchmarks.report.names import display_name
from benchmarks.report.runs import ReportedCell, Run, Study
from benchmarks.study.spec import AUTO


def missing(
    runs: Sequence[Run], places: Sequence[Place], studies: Iterable[Study]
) -> Mapping[Place, Sequence[ReportedCell]]:
    """Returns the unmeasured cells by place. One is left out if nothing of its study was measured
    from which its conditions could be known."""
    result: dict[Place, list[ReportedCell]] = {}
    for study in studies:
        by_id = {Path(run.where).name: place for run, place in zip(runs, places, strict=True)
                 if run.study == study.folder}  # fmt: skip
        measured = [(cell, by_id[cell.id]) for cell in study.cells if cell.id in by_id]
        for cell in study.unmeasured:
            if cell.level is not None and (place := _likely_place(cell, measured)) is not None:
                result.setdefault(place, []).append(cell)
    return result


def _likely_place(
    cell: ReportedCell, measured: Iterable[tuple[ReportedCell, Place]]
) -> Place | None:
    """Returns the place of the measured cell that is most like it, with its own backend, level and
    quantization."""
    alike = [
        (other.backend == cell.backend, other.quantization == cell.quantization, place)
        for other, place in measured
        if (other.model, other.system_prompt) == (cell.model, cell.system_prompt)
        and (other.users is None) == (cell.users is None)
    ]
    if not alike or cell.level is None:
        return None
    same_backend, same_scheme, place = max(alike, key=lambda each: each[:2])
    if not same_scheme and cell.quantization != AUTO:
        named = quantization_name(cell.quantization)
        place = replace(place, condition=replace(place.condition, quantization=named))
    name = place.backend if same_backend else display_name(cell.backend)
    return replace(place, backend=name, level=cell.level)
