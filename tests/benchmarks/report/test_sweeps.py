"""The tables of sweeps, and what the report says of terms that are not equal."""

from pathlib import Path

from benchmarks.report.names import display_name
from benchmarks.report.remarks import remarks
from benchmarks.report.runs import find_results
from benchmarks.report.surroundings import differing_settings
from benchmarks.report.sweeps import highest_loads, sweep_steps
from benchmarks.results.files import write, write_sweep
from benchmarks.results.frontier import gpu_count
from benchmarks.results.schema import Result
from tests.benchmarks.load.test_sweep import OK_RUN, spec, step, swept
from tests.benchmarks.report.synthetic import group, result


def with_token_ids(backend: str, token_ids: str) -> Result:
    plain = result(backend)
    prompts = plain.prompts.model_copy(update={"token_ids": token_ids})
    return plain.model_copy(update={"prompts": prompts})


def test_a_sweep_is_a_row_with_its_answer_and_each_run_is_one(tmp_path: Path) -> None:
    load = spec(limits={"ttft": 1.0})
    sweep = swept(load, step(load, OK_RUN, 0.5), step(load, OK_RUN, 1.5, level=4))
    write(tmp_path / "steps" / "01", result(), [])
    write_sweep(tmp_path, sweep)
    found = find_results(tmp_path)
    assert found.sweeps == (sweep,)
    (answer,) = highest_loads(found.sweeps).rows
    assert answer[3:6] == ("p99 of TTFT 1 s", 2, "users")
    assert answer[9:] == (4, "do not keep that of TTFT", 2, "enough")
    first, second = sweep_steps(found.sweeps).rows
    assert (first[2], first[-1]) == (2, "kept")
    assert (second[2], second[-1]) == (4, "broken")


def test_engines_that_were_asked_other_token_ids_are_named() -> None:
    unlike = group(with_token_ids("vllm", "1"), with_token_ids("sglang", "2"))
    assert "Not all engines were asked the same token ids: sglang 2, vllm 1." in remarks(unlike)
    alike = group(with_token_ids("vllm", "1"), with_token_ids("sglang", "1"))
    assert not any("token ids" in sentence for sentence in remarks(alike))


def test_what_should_be_equal_is_marked_where_it_differs(tmp_path: Path) -> None:
    write(tmp_path / "a", result("vllm", temperature=0), [])
    write(tmp_path / "b", result("sglang"), [])
    rows = differing_settings(find_results(tmp_path).runs).rows
    assert ("sampling (should be equal)", "the model's own", "temperature 0") in rows


def test_a_series_keeps_the_title_of_its_backend() -> None:
    assert display_name("tensorrt_llm, tuned") == "TensorRT-LLM, tuned"
    assert display_name("this API") == "this API"


def test_the_gpus_are_those_of_the_settings_or_of_the_load() -> None:
    assert gpu_count(result(settings={"tensor_parallel_size": "4"})) == 4
    assert gpu_count(result(settings={"tensor_parallel_size": "4"}, gpus=8)) == 8
    assert gpu_count(result()) == 1
    assert gpu_count(result(gpu=False)) is None
