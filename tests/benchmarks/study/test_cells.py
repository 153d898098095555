"""The cells of a study: the product of its axes, their order and their identity."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.study import reading
from benchmarks.study.cell import LoadCell
from benchmarks.study.cells import cells
from benchmarks.study.reading import plan
from benchmarks.study.yaml_text import StudyError
from tests.benchmarks.study.support import study, written


def ids(folder: Path, **fields: Any) -> list[str]:
    return [cell.id for cell in cells(plan(written(folder, study(**fields))))]


def loads(folder: Path, **fields: Any) -> list[LoadCell]:
    found = cells(plan(written(folder, study(**fields))))
    return [cell for cell in found if isinstance(cell, LoadCell)]


def test_cells_are_the_product_of_the_axes(tmp_path: Path) -> None:
    (tmp_path / "formal.txt").write_text("Be formal.")
    found = ids(
        tmp_path,
        backends=[{"backend": "echo"}, {"url": "http://there:8000", "label": "theirs"}],
        models=["demo", {"name": "big", "model": "org/big"}],
        quantization=["none", "awq"],
        system_prompt=["none", "formal.txt"],
        repeats=2,
    )
    assert len(found) == len(set(found)) == 2 * 2 * 2 * 2 * 2 * 2
    assert found[0] == "echo_demo_none_plain_1-users_run-1"
    assert found[-1] == "theirs_big_awq_formal_2-users_run-2"


def test_a_backend_may_differ_from_the_rest_of_the_study(tmp_path: Path) -> None:
    backends = [{"backend": "echo"}, {"backend": "vllm", "users": 8, "quantization": "fp8"}]
    assert ids(tmp_path, backends=backends) == [
        "echo_demo_auto_plain_1-users_run-1",
        "echo_demo_auto_plain_2-users_run-1",
        "vllm_demo_fp8_plain_8-users_run-1",
    ]


def test_cells_can_be_excluded(tmp_path: Path) -> None:
    found = ids(tmp_path, repeats=2, exclude=[{"backend": "echo", "users": 2, "repeat": 1}])
    assert found == [
        "echo_demo_auto_plain_1-users_run-1",
        "echo_demo_auto_plain_1-users_run-2",
        "echo_demo_auto_plain_2-users_run-2",
    ]


def test_names_that_a_folder_cannot_tell_apart_are_told_apart(tmp_path: Path) -> None:
    found = ids(tmp_path, models=["a/llama", "b/llama"])
    assert len(found) == len(set(found)) == 4


BACKENDS = [{"backend": name} for name in ("echo", "vllm", "sglang")]


def test_an_interleaved_order_goes_through_the_backends_forth_and_back(tmp_path: Path) -> None:
    found = ids(tmp_path, backends=BACKENDS, repeats=2, order="interleaved")
    backends = [cell.split("_")[0] for cell in found]
    there = ["echo", "vllm", "sglang"] * 2
    assert backends == there + there[::-1]


def test_a_shuffled_order_is_the_seeds(tmp_path: Path) -> None:
    def shuffled(seed: int) -> list[str]:
        return ids(tmp_path, backends=BACKENDS, order="shuffled", seed=seed, repeats=3)

    assert shuffled(1) == shuffled(1) != shuffled(2)
    assert sorted(shuffled(1)) == sorted(shuffled(2))


def test_cells_of_a_shared_service_stay_together_however_shuffled(tmp_path: Path) -> None:
    found = ids(tmp_path, backends=BACKENDS, order="shuffled", repeats=3, share_service=True)
    starts = [cell.replace("_1-users", "").replace("_2-users", "") for cell in found]
    assert [a for a, b in zip(starts[::2], starts[1::2], strict=True) if a != b] == []


def test_a_repeat_draws_other_prompts_and_backends_draw_the_same(tmp_path: Path) -> None:
    found = loads(tmp_path, backends=BACKENDS, repeats=2, seed=5)
    assert {(cell.repeat, cell.spec.seed) for cell in found} == {(0, 5), (1, 6)}


def hashes(folder: Path, **fields: Any) -> set[str]:
    return {cell.hash for cell in cells(plan(written(folder, study(**fields))))}


def test_what_bears_on_a_measurement_changes_the_cell_and_nothing_else_does(tmp_path: Path) -> None:
    first = hashes(tmp_path)
    assert hashes(tmp_path, name="another", order="shuffled", start_timeout=5) == first
    assert hashes(tmp_path, backends=[{"backend": "echo"}, {"backend": "vllm"}]) > first
    assert not hashes(tmp_path, load={"users": [1, 2], "duration": 2, "ramp": 0.5}) & first
    assert not hashes(tmp_path, settings={"max_queue": 5}) & first
    assert not hashes(tmp_path, seed=3) & first


def test_an_endpoint_that_forgets_is_another_cell(tmp_path: Path) -> None:
    there = {"url": "http://there"}
    assert not hashes(tmp_path, backends=[there]) & hashes(
        tmp_path, backends=[{**there, "reset_cache": "/flush_cache"}]
    )
    assert hashes(tmp_path, backends=[there]) == hashes(
        tmp_path, backends=[{**there, "metrics_url": "http://there/metrics"}]
    )


def test_another_text_in_the_same_file_is_another_cell(tmp_path: Path) -> None:
    prompts, system = tmp_path / "p.jsonl", tmp_path / "s.txt"
    prompts.write_text('{"prompt": "a"}\n')
    system.write_text("Be brief.")
    fields: dict[str, Any] = {"prompts": "p.jsonl", "system_prompt": "s.txt"}
    first = hashes(tmp_path, **fields)
    system.write_text("Be long.")
    second = hashes(tmp_path, **fields)
    prompts.write_text('{"prompt": "b"}\n')
    assert not first & second
    assert not second & hashes(tmp_path, **fields)


def test_other_builtin_prompts_are_another_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hashes(tmp_path)
    changed = tmp_path / "builtin.jsonl"
    changed.write_text('{"prompt": "a"}\n')
    monkeypatch.setattr(reading, "BUILTIN_FILE", changed)
    assert not hashes(tmp_path) & first


def test_an_open_loop_needs_no_ramp(tmp_path: Path) -> None:
    (cell,) = loads(tmp_path, load={"mode": "poisson", "rate": 5, "duration": 5})
    assert cell.spec.ramp == 0


@pytest.mark.parametrize(("duration", "ramp"), [(6, 2), (60, 20), (600, 20)])
def test_a_ramp_that_is_left_out_fits_the_duration(
    tmp_path: Path, duration: int, ramp: float
) -> None:
    (cell,) = loads(tmp_path, load={"users": 1, "duration": duration})
    assert cell.spec.ramp == ramp


QUESTION = '{"prompt": "2 + 2 =", "answer": " 4"}\n'
TASK = {"kind": "exact", "file": "q.jsonl"}


def test_quality_is_measured_once_for_a_backend_model_and_quantization(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(QUESTION)
    fields: dict[str, Any] = {"repeats": 3, "quantization": ["none", "awq"], "share_service": True}
    found = ids(tmp_path, **fields, quality=[TASK])
    assert [cell for cell in found if cell.endswith("quality")] == [
        "echo_demo_none_quality",
        "echo_demo_awq_quality",
    ]
    assert found.index("echo_demo_awq_quality") + 1 == found.index(
        "echo_demo_awq_plain_1-users_run-1"
    )


def test_only_an_exclusion_without_a_load_leaves_out_quality(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(QUESTION)
    fields: dict[str, Any] = {"quality": [TASK], "quantization": ["none", "awq"]}
    found = ids(tmp_path, **fields, exclude=[{"quantization": "awq"}, {"users": 1}])
    assert found == ["echo_demo_none_quality", "echo_demo_none_plain_2-users_run-1"]


def test_other_questions_are_another_cell_and_leave_the_loads_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(QUESTION)
    without, first = hashes(tmp_path), hashes(tmp_path, quality=[TASK])
    file.write_text(QUESTION * 2)
    second = hashes(tmp_path, quality=[TASK])
    assert first & second == without
    assert len(first - second) == 1


def test_a_trace_is_one_cell_at_its_speed(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00,9,5\n")
    load = {"mode": "trace", "trace_speed": 2, "duration": 60}
    (cell,) = cells(plan(written(tmp_path, study(load=load, prompts="trace:trace.csv"))))
    assert isinstance(cell, LoadCell)
    assert "_trace-x2_" in cell.id
    assert cell.level == "the trace at 2 times its speed"
    assert cell.spec.prompts.source == f"trace:{trace}"
    trace.write_text("nothing")
    with pytest.raises(StudyError, match=r"line 10: prompts: .*trace\.csv is no trace: allowed"):
        plan(tmp_path / "study.yaml")
