"""python -m common.plan, as a person and a program use it."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.plan.__main__ import main
from tests.models.configs import LLAMA_3_70B, family
from tests.models.files import write_model
from tests.plan.questions import TABLES


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def llama_70b(tmp_path: Path) -> str:
    return str(write_model(tmp_path / "llama-70b", LLAMA_3_70B))


def test_all_backends_stand_side_by_side(run: Any, llama_70b: str) -> None:
    code, out, err = run("--model", llama_70b, "--gpu", "a100-80gb")
    assert (code, err) == (0, "")
    assert "device  a100-80gb, 80.0 GiB, compute capability 8.0" in out
    lines = out.splitlines()
    place = {name: lines[3].index(name) for name in ("backend", "scheme", "weights", "tokens")}
    row = next(line for line in lines if line.startswith("mlc "))
    assert row[place["scheme"] :].startswith("q4f16_1 ")
    assert row[place["weights"] :].startswith("37.0 GiB ")
    assert "vllm: refused: " in out
    assert "mlc: first run: python -m build_scripts.mlc --model" in out


def test_one_backend_is_told_in_full(run: Any, llama_70b: str) -> None:
    code, out, _ = run(
        "--model", llama_70b, "--backend", "vllm", "--gpu", "h100", "--tensor-parallel-size", "4",
        "--kv-cache-dtype", "fp8", "--max-model-len", "4096",
    )  # fmt: skip
    assert code == 0
    assert "4 x h100" not in out.splitlines()[0]
    for name, value in {
        "scheme": "none",
        "arguments": '{"kv_cache_dtype": "fp8"}',
        "weights": "131.4 GiB",
        "weights, each device": "32.9 GiB",
        "KV cache, a token": "40 KiB",
    }.items():
        (line,) = (line for line in out.splitlines() if line.startswith(name + "  "))
        assert line.endswith(f"  {value}")


def test_a_refusal_of_the_named_backend_is_one_line_and_exit_code_1(
    run: Any, llama_70b: str
) -> None:
    code, out, err = run("--model", llama_70b, "--backend", "tgi", "--gpu", "a100-80gb")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "python -m build_scripts.awq --model" in err


def test_a_program_gets_json(run: Any, llama_70b: str) -> None:
    code, out, _ = run("--model", llama_70b, "--gpu", "a100-80gb", "--json")
    found = {each["backend"]: each for each in json.loads(out)}
    assert code == 0
    assert found.keys() == TABLES.keys()
    assert "4" in found["vllm"]["refused"]
    assert found["mlc"]["weight_bytes"] == pytest.approx(37 * 2**30, rel=0.01)
    assert found["mlc"]["sequences"] > 0
    assert run("--model", llama_70b, "--gpu", "t4", "--json")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "./nowhere"], "no directory './nowhere'"),
        (["--gpu", "a101"], "no GPU 'a101' is known"),
        (["--backend", "echo"], "no 'echo' loads weights; allowed are lmdeploy, mlc"),
        (["--max-model-len", "many"], "setting 'max_model_len': input should be a valid integer"),
        (["--engine-args", "{"], "setting 'engine_args'"),
    ],
)
def test_a_mistake_is_one_line(run: Any, arguments: list[str], expected: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert expected in err
    assert err.count("\n") == 1


def test_a_model_of_which_nothing_can_be_counted_is_refused_everywhere(
    run: Any, tmp_path: Path
) -> None:
    odd = write_model(tmp_path / "odd", family("llama") | {"model_type": "odd"})
    code, out, _ = run("--model", str(odd), "--gpu", "l4")
    assert code == 1
    assert out.count("the weights of a 'odd' model cannot be counted from its config") == len(
        TABLES
    )


def test_the_demo_model_needs_no_name_and_no_gpu(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    code, out, _ = run()
    assert code == 0
    assert "the demo model: llama, bfloat16, not quantized" in out
    (sglang,) = (line.split() for line in out.splitlines() if line.startswith("sglang "))
    assert sglang[-1] == "-"
    assert "lmdeploy: refused: LMDeploy is planned for GPUs only; name one, such as" in out


def test_what_an_engine_takes_from_the_machine_stands_beside_its_plan(run: Any) -> None:
    code, out, _ = run("--gpu", "l4")
    assert code == 0
    rows = (line for line in out.splitlines()[4:] if line)
    needed = {line.split()[0]: line.rpartition("  ")[2].strip() for line in rows}
    assert needed["sglang"] == "driver, C compiler, CUDA toolkit"
    assert needed["triton"] == "tritonserver"
    _, out, _ = run("--backend", "vllm", "--gpu", "l4", "--tensor-parallel-size", "2")
    (line,) = (line for line in out.splitlines() if line.startswith("needs "))
    assert line.endswith("  driver, C compiler, shared memory")
    _, out, _ = run("--gpu", "l4", "--json")
    assert {each["backend"]: each["needs"] for each in json.loads(out)}["vllm"] == [
        "driver",
        "C compiler",
    ]


def test_a_setting_that_an_engine_does_not_have_is_refused_as_at_its_start(run: Any) -> None:
    code, _, err = run("--backend", "sglang", "--kv-cache-gib", "2")
    assert code == 1
    assert "setting 'kv_cache_gib' has no effect with SGLang" in err
