"""What a person sees: a line for each thing that happens, and a fair estimate."""

import io
from pathlib import Path
from typing import Any

from benchmarks.study import estimate
from benchmarks.study.cell import StudyCell
from benchmarks.study.cells import cells
from benchmarks.study.manifest import CellEntry, Status, entry
from benchmarks.study.progress import StudyProgress
from benchmarks.study.reading import plan
from benchmarks.words import readable_time
from tests.benchmarks.study.support import study, written


def the_cells(folder: Path, **fields: Any) -> tuple[StudyCell, ...]:
    load = {"users": [1, 2], "duration": 100, "ramp": 1}
    return cells(plan(written(folder, study(load=load, **fields))))


def finished(cell: StudyCell, status: Status = Status.OK, **values: Any) -> CellEntry:
    given = {"status": status, "seconds": 104.0, "start_seconds": 30.0, **values}
    return entry(cell).model_copy(update=given)


def test_each_thing_has_a_line(tmp_path: Path) -> None:
    output = io.StringIO()
    one, two = the_cells(tmp_path)
    entries = [finished(one), entry(two)]
    view = StudyProgress(output)
    view.note("a study: 2 cells [of] it")
    view.finished(entries[0])
    view.cells(entries, 100)
    view.phase(two.id, "2 users, 100 s")
    view.client("window 3: 812 tokens/s [fast]")
    view.finished(finished(two, Status.FAILED, reason="no [luck]", log=("a [line]",)))
    assert [line.split(" ", 1)[1] for line in output.getvalue().splitlines()] == [
        "a study: 2 cells [of] it",
        "echo_demo_auto_plain_1-users_run-1: ok in 2 min",
        "1 of 2 cells done, about 2 min left",
        "echo_demo_auto_plain_2-users_run-1: 2 users, 100 s",
        "  window 3: 812 tokens/s [fast]",
        "echo_demo_auto_plain_2-users_run-1: failed in 2 min: no [luck]",
        "  | a [line]",
    ]


def test_the_time_left_counts_loads_and_starts_as_they_were_seen(tmp_path: Path) -> None:
    one, two = the_cells(tmp_path)
    # Seen: a start of 30 s, and 4 s beside the load.
    assert estimate.seconds([[two]], [finished(one), entry(two)]) == 30 + 100 + 4


def test_a_shared_start_counts_once(tmp_path: Path) -> None:
    made = the_cells(tmp_path, share_service=True)
    (block,) = estimate.blocks(made, share_service=True)
    around = estimate.AROUND_GUESS
    assert estimate.seconds([block], []) == estimate.START_GUESS + 2 * (100 + around)
    assert estimate.seconds([block[1:]], [], started=True) == 100 + around
    assert len(estimate.blocks(made, share_service=False)) == 2


def test_an_endpoint_needs_no_start(tmp_path: Path) -> None:
    made = the_cells(tmp_path, backends=[{"url": "http://there"}])
    blocks = estimate.blocks(made, share_service=False)
    assert estimate.seconds(blocks, []) == 2 * (100 + estimate.AROUND_GUESS)


def test_times_are_readable() -> None:
    assert [readable_time(s) for s in (4, 90, 3599, 7500)] == [
        "4 s",
        "2 min",
        "60 min",
        "2 h 5 min",
    ]
