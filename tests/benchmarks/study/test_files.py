"""A mistake in a study file is named with its line and what is allowed."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.study.cells import cells
from benchmarks.study.reading import plan
from benchmarks.study.yaml_text import StudyError
from tests.benchmarks.study.mistakes import HEAD, MISTAKES
from tests.benchmarks.study.support import study, written
from tests.service_process import REPOSITORY


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(tmp_path: Path, mistake: str) -> None:
    text, expected = MISTAKES[mistake]
    with pytest.raises(StudyError) as caught:
        cells(plan(written(tmp_path, text)))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(tmp_path / "study.yaml"))
    assert expected in line


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = HEAD + "order: x\nseed: y\nbackends: [{backend: echo}]"
    with pytest.raises(StudyError) as caught:
        plan(written(tmp_path, text))
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == [" seed", " order"]


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"there\.yaml: No such file"):
        plan(tmp_path / "there.yaml")


@pytest.mark.parametrize("file", sorted((REPOSITORY / "benchmarks" / "studies").glob("*.yaml")))
def test_the_studies_that_we_ship_are_good(file: Path) -> None:
    assert cells(plan(file))


def ids(folder: Path, **fields: Any) -> list[str]:
    return [cell.id for cell in cells(plan(written(folder, study(**fields))))]


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
    file = written(tmp_path, study(backends=BACKENDS, repeats=2, seed=5))
    assert {(cell.repeat, cell.spec.seed) for cell in cells(plan(file))} == {(0, 5), (1, 6)}


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


def test_an_open_loop_needs_no_ramp(tmp_path: Path) -> None:
    (cell,) = cells(
        plan(written(tmp_path, study(load={"mode": "poisson", "rate": 5, "duration": 5})))
    )
    assert cell.spec.ramp == 0


@pytest.mark.parametrize(("duration", "ramp"), [(6, 2), (60, 20), (600, 20)])
def test_a_ramp_that_is_left_out_fits_the_duration(
    tmp_path: Path, duration: int, ramp: float
) -> None:
    (cell,) = cells(plan(written(tmp_path, study(load={"users": 1, "duration": duration}))))
    assert cell.spec.ramp == ramp
