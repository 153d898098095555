"""What a finished study says of its own fairness."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import files
from benchmarks.results.fairness import unfair
from benchmarks.results.schema import Result
from benchmarks.study.manifest import CELLS, CellEntry, Status


def fairness_notes(entries: Sequence[CellEntry], out: Path) -> list[str]:
    """Returns a sentence for each thing in which backends differ, though it should be equal, or one
    that there is none; nothing where there is but one backend."""
    results = list(_results(entries, out))
    backends = {result.subject.backend for result in results}
    if len(backends) < 2:
        return []
    differences = list(unfair(results))
    hashed = all(result.prompts.token_ids for result in results)
    ids = "the token ids of the prompts, " if hashed else ""
    return [f"not equal for all: {each}" for each in differences] or [
        f"equal for all {len(backends)} backends: {ids}sampling, length of answers, warm-up, "
        "machine and driver"
    ]


def _results(entries: Sequence[CellEntry], out: Path) -> list[Result]:
    """Returns those of the cells that were measured, but for sweeps and what cannot be read."""
    results = []
    for entry in entries:
        if entry.status in (Status.OK, Status.VOID) and not entry.of_quality and not entry.of_sweep:
            try:
                results.append(files.read(out / CELLS / entry.id))
            except files.Unreadable:
                continue
    return results
