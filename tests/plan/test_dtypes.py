"""The number format that each engine computes in, planned and told as the engine does it."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from common.models.model import Model, open_model
from common.plan import __main__ as command
from common.plan import at_start
from common.settings import Settings
from services._backends import load
from services._sglang.arguments import engine_arguments as sglang_arguments
from services._vllm.arguments import engine_arguments as vllm_arguments
from tests.models.configs import AWQ, GPTQ, LLAMA_3_8B, compressed, facts, family
from tests.models.files import write_model
from tests.plan.questions import CPU, TABLES, plan, refusal
from tests.plan.test_at_start import applied, directory

UNNAMED = {name: value for name, value in LLAMA_3_8B.items() if name != "torch_dtype"} | {
    "num_hidden_layers": 2
}
SINGLE = UNNAMED | {"torch_dtype": "float32"}
HALF = UNNAMED | {"torch_dtype": "float16"}
BRAIN = UNNAMED | {"torch_dtype": "bfloat16"}
NESTED = {"model_type": "llava", "text_config": HALF, "vision_config": {"torch_dtype": "float32"}}
NESTED_IN_WHOLE = {"model_type": "llava", "torch_dtype": "bfloat16", "text_config": UNNAMED}
FP8 = BRAIN | {"quantization_config": {"quant_method": "fp8"}}
FP8_BLOCKS = BRAIN | {
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128] * 2}
}
PACKED = BRAIN | {
    "quantization_config": compressed("pack-quantized", num_bits=4, type="int", group_size=128)
}
GIVEN: dict[str, Callable[[Settings, Model], Mapping[str, Any]]] = {
    "ray_serve": vllm_arguments,
    "sglang": lambda settings, model: sglang_arguments(settings, model, ()),
    "vllm": vllm_arguments,
}
"""Of the engines whose arguments are made without their package."""
PLAIN_ENGINES = ("lmdeploy", "ray_serve", "sglang", "tensorrt_llm", "tgi", "transformers", "vllm")


@pytest.mark.parametrize("backend", PLAIN_ENGINES)
@pytest.mark.parametrize(
    ("config", "expected", "without_bfloat16"),
    [
        (SINGLE, "bfloat16", "float16"),
        (UNNAMED, "bfloat16", "float16"),
        (HALF, "float16", "float16"),
        (BRAIN, "bfloat16", "float16"),
        (NESTED, "float16", "float16"),
        (NESTED_IN_WHOLE, "bfloat16", "float16"),
    ],
    ids=["float32", "unnamed", "float16", "bfloat16", "nested", "nested in whole"],
)
def test_plain_weights_take_16_bits_on_every_engine(
    backend: str, config: dict[str, Any], expected: str, without_bfloat16: str
) -> None:
    """Transformers alone keeps float32, and computes in bfloat16 wherever torch does."""
    small = facts(config)
    if backend == "transformers":
        kept = "float32" if config in (SINGLE, UNNAMED) else expected
        assert plan(backend, small).dtype == kept
        return
    assert plan(backend, small).dtype == expected
    if TABLES[backend].minimum <= 7.5:
        assert plan(backend, small, "t4").dtype == without_bfloat16


def test_without_a_name_in_the_config_the_weights_say_it(tmp_path: Path) -> None:
    from common.models.facts import facts_of_directory

    tensors = {"lm_head.weight": ("F16", (320, 128)), "model.norm.weight": ("F32", (4,))}
    unnamed = facts_of_directory(write_model(tmp_path, family("llama"), tensors))
    assert {plan(name, unnamed).dtype for name in PLAIN_ENGINES} == {"float16"}


@pytest.mark.parametrize(
    ("backend", "config", "quantization", "expected"),
    [
        ("tgi", BRAIN | {"quantization_config": AWQ}, "auto", "float16"),
        ("tgi", BRAIN | {"quantization_config": GPTQ}, "auto", "float16"),
        ("tgi", FP8, "auto", "float16"),
        ("tgi", PACKED, "auto", "float16"),
        ("tgi", PACKED | {"model_type": "gemma2"}, "auto", "bfloat16"),
        ("tgi", BRAIN | {"model_type": "gemma", "quantization_config": AWQ}, "auto", "float16"),
        ("tgi", BRAIN, "fp8", "float16"),
        ("tgi", BRAIN, "bitsandbytes", "bfloat16"),
        ("vllm", BRAIN | {"quantization_config": AWQ}, "auto", "bfloat16"),
        ("sglang", BRAIN | {"quantization_config": AWQ}, "auto", "bfloat16"),
        ("lmdeploy", BRAIN | {"quantization_config": AWQ}, "auto", "bfloat16"),
        ("transformers", BRAIN | {"quantization_config": AWQ}, "auto", "float16"),
        ("transformers", PACKED, "auto", "bfloat16"),
        ("tensorrt_llm", FP8_BLOCKS, "auto", "bfloat16"),
        ("mlc", BRAIN, "q4f16_1", "float16"),
        ("mlc", BRAIN, "q4f32_1", "float32"),
        ("mlc", HALF, "q0bf16", "bfloat16"),
    ],
)
def test_quantized_weights_decide_where_the_engine_lets_them(
    backend: str, config: dict[str, Any], quantization: str, expected: str
) -> None:
    found = plan(backend, facts(config), "h100", quantization=quantization)
    assert found.dtype == expected


def test_lmdeploys_pytorch_engine_computes_beside_awq_in_float16() -> None:
    awq = facts(BRAIN | {"quantization_config": AWQ})
    assert plan("lmdeploy", awq, engine_args={"backend": "pytorch"}).dtype == "float16"


def test_on_a_cpu_the_checkpoint_decides() -> None:
    awq = facts(BRAIN | {"quantization_config": AWQ})
    assert plan("transformers", awq, CPU).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("backend", "config", "gpu", "expected"),
    [
        (
            "tgi", BRAIN | {"quantization_config": AWQ}, "h100",
            "TGI computes in float16 beside awq weights of a 'llama' model, and dtype is bfloat16; "
            "allowed are auto and float16",
        ),
        ("vllm", BRAIN, "t4", "set dtype=float16"),
    ],
)  # fmt: skip
def test_a_dtype_that_the_engine_would_not_take_is_refused(
    backend: str, config: dict[str, Any], gpu: str, expected: str
) -> None:
    assert expected in refusal(backend, facts(config), gpu, dtype="bfloat16")


def test_a_model_that_overflows_in_float16_is_not_cut_to_it() -> None:
    small = facts(family("gemma2") | {"torch_dtype": "bfloat16"})
    assert "set dtype=float32" in refusal("vllm", small, "t4")
    assert plan("vllm", small, "t4", dtype="float32").dtype == "float32"


def test_the_engines_own_argument_wins_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_start, "cpu_device", lambda: CPU)
    _, model = applied("vllm", engine_args={"dtype": "float32"})
    assert model.load.dtype == "float32"


def test_command_and_log_tell_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(at_start, "cpu_device", lambda: CPU)
    model = directory(tmp_path / "model", family("llama") | {"torch_dtype": "float32"})
    with caplog.at_level(logging.INFO, "bentoml.llm.plan"):
        _, applied_model = applied("vllm", model=model)
    assert "computed in bfloat16" in caplog.text
    assert applied_model.load.dtype == "bfloat16"
    assert command.main(["--backend", "vllm", "--model", model, "--gpu", "t4"]) == 0
    assert "computed in           float16" in capsys.readouterr().out


def test_engines_are_given_what_was_planned(tmp_path: Path) -> None:
    """Each of its own accord would take another for weights in float32."""
    model = directory(tmp_path / "model", family("llama") | {"torch_dtype": "float32"})
    settings = Settings(model=model)
    opened = open_model(settings, Path(model))
    for backend, arguments in GIVEN.items():
        planned = at_start.apply(load(backend)[1], settings, opened)
        assert arguments(*planned)["dtype"] == "bfloat16", backend
