"""What TGI finds in a checkpoint: flags that it refuses beside it, files that it cannot read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.models.model import open_model
from common.models.portable import stage
from common.plan import at_start
from common.plan.errors import Refused
from common.settings import Settings
from services._tgi.launch import launch
from services.tgi import TGIEngine
from tests.contract.support import chat, text_of, user
from tests.doubles.tgi.tgi_double.flags import Values, parse
from tests.doubles.tgi.tgi_double.start import router_problem, shard_problem
from tests.gpus import put_gpus
from tests.model_directories import change_json, demo_copy
from tests.models.configs import AWQ
from tests.service_process import start_service
from tests.tgi.servers import LAUNCHER

LONG = {"max_position_embeddings": 8192}
QUANTIZED = {"quantization_config": AWQ}


@pytest.fixture(autouse=True)
def without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def started(folder: Path, config: dict[str, Any] | None = None, **values: Any) -> Values:
    """Returns the flags for a model with another config, with which the double would start."""
    engine_args = {"launcher": str(LAUNCHER), **values.pop("engine_args", {})}
    model = demo_copy(folder / "source", **(config or {}))
    settings = Settings(model=str(model), engine_args=engine_args, **values)
    planned, opened = at_start.apply(TGIEngine, settings, open_model(settings, model))
    path = stage(opened.path, folder / "model", opened.load.dtype)
    command, _ = launch(planned, replace(opened, path=path), folder)
    flags = parse(command.argv[1:])
    assert shard_problem(flags) is None
    assert router_problem(flags, command.environment) is None
    return flags


@pytest.mark.parametrize(
    ("config", "values", "expected"),
    [
        ({}, {}, "bfloat16"),
        ({"torch_dtype": "float32"}, {}, "bfloat16"),
        ({"torch_dtype": "float16"}, {}, "float16"),
        ({}, {"dtype": "float16"}, "float16"),
        ({}, {"quantization": "bitsandbytes"}, "bfloat16"),
        ({}, {"quantization": "eetq"}, None),
        (QUANTIZED, {}, None),
        (QUANTIZED, {"dtype": "float16"}, None),
        (QUANTIZED, {"quantization": "awq"}, None),
    ],
)
def test_the_planned_dtype_is_given_wherever_tgi_takes_one(
    tmp_path: Path, config: dict[str, Any], values: dict[str, Any], expected: str | None
) -> None:
    assert started(tmp_path, config, **values).get("dtype") == expected


def test_another_dtype_than_that_of_a_quantized_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="TGI computes in float16 beside awq weights"):
        started(tmp_path, QUANTIZED, dtype="bfloat16")


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ({}, {"speculative": "ngram:2"}),
        ({"model_type": "smollm3"}, {}),
        ({"head_dim": 80}, {}),
        ({"model_type": "falcon"}, {}),
        ({}, {"chunked_prefill": False}),
    ],
    ids=["speculation", "on transformers", "head size", "falcon", "setting"],
)
def test_where_prompts_are_read_whole_the_longest_fits(
    tmp_path: Path, config: dict[str, Any], values: dict[str, Any]
) -> None:
    given = started(tmp_path, LONG | config, **values)
    assert given["max-batch-prefill-tokens"] == given["max-total-tokens"] == "8192"


def test_with_paged_attention_prompts_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTENTION", "paged")
    assert started(tmp_path, LONG)["max-batch-prefill-tokens"] == "8192"


@pytest.mark.parametrize(("capability", "whole"), [("7.5", True), ("8.9", False)])
def test_odd_heads_are_read_in_parts_where_the_gpu_has_flashdecoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: str, whole: bool
) -> None:
    put_gpus(monkeypatch, f"GPU of {capability}, {capability}")
    model = demo_copy(tmp_path / "source", head_dim=80, **LONG)
    settings = Settings(model=str(model), engine_args={"launcher": str(LAUNCHER)})
    command, _ = launch(settings, open_model(settings, model), tmp_path)
    assert ("--max-batch-prefill-tokens" in command.argv) == whole


def test_prompts_that_are_read_in_parts_need_no_larger_budget(tmp_path: Path) -> None:
    assert "max-batch-prefill-tokens" not in started(tmp_path, LONG)


def test_a_quantized_checkpoint_of_transformers_5_with_a_long_context_answers(
    tmp_path: Path,
) -> None:
    model = demo_copy(tmp_path / "model", **QUANTIZED, **LONG)
    changed = {"tokenizer_class": "TokenizersBackend", "model_max_length": 8192}
    change_json(model / "tokenizer_config.json", changed)
    before = sorted(model.iterdir())
    speculation = "ngram:2"
    with start_service("tgi", model=model, speculative=speculation, dtype="float16") as service:
        value = chat(service, user("What is the capital of France?"))
        log = service.log_text()
    assert text_of(value) == "The capital of France is Paris."
    assert "computed in float16" in log
    assert sorted(model.iterdir()) == before
