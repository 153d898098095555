"""Services whose plan cannot be kept do not start; the others say what they chose."""

import json
from pathlib import Path

import pytest

from tests.models.configs import AWQ, LLAMA_3_70B
from tests.models.files import write_model
from tests.refusals import refusal_lines, refusals_before_start
from tests.service_process import start_service


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "large", LLAMA_3_70B | {"hidden_size": 2**17})
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_a_model_that_is_too_large_stops_the_start_with_one_line(model: Path) -> None:
    (line,) = refusal_lines("transformers", model=model)
    assert line.startswith(f"error: {model} does not fit on")
    assert "KV cache" in line


def test_a_scheme_that_the_engine_lacks_stops_the_start_with_one_line() -> None:
    (line,) = refusals_before_start("lmdeploy", {"quantization": "gguf"})
    assert line.startswith("error: LMDeploy has no quantization 'gguf'; allowed are auto, none")


def test_awq_is_refused_by_an_engine_that_cannot_read_it(model: Path) -> None:
    (model / "config.json").write_text(json.dumps(LLAMA_3_70B | {"quantization_config": AWQ}))
    scheme, checkpoint = refusals_before_start(
        "tensorrt_llm", {"quantization": "awq"}, {"model": model}
    )
    assert "as ModelOpt exports them" in scheme
    assert "reads neither AutoAWQ's" in checkpoint
    assert "python -m build_scripts.trtllm" in checkpoint


def test_a_service_says_what_it_chose_and_gives_it_to_the_engine() -> None:
    with start_service("tgi", quantization="bitsandbytes-4bit", kv_cache_dtype="fp8") as service:
        text = service.log_text()
        card = service.http.get("/v1/models").json()["data"][0]
    assert "plan for the demo model: bitsandbytes-4bit, made while loading" in text
    assert "'quantize': 'bitsandbytes-nf4', 'kv-cache-dtype': 'fp8_e4m3fn'" in text
    assert card["quantization"] == "bitsandbytes-4bit"


@pytest.mark.parametrize(("backend", "wanted"), [("lmdeploy", "int8"), ("tensorrt_llm", "fp8")])
def test_a_quantized_cache_is_taken_by_the_engine(backend: str, wanted: str) -> None:
    with start_service(backend, kv_cache_dtype=wanted) as service:
        assert "arguments of the plan: " in service.log_text()
        assert service.is_ready()
