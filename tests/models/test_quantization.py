"""Every usual way of saying in a config that weights are quantized."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.config import ModelConfig, read_config
from common.models.language_model import LANGUAGE_MODELS
from common.models.quantization import PLAIN, parse_quantization
from tests.models.configs import AWQ, GPTQ, compressed


@pytest.mark.parametrize(
    ("values", "scheme", "form", "bits", "group"),
    [
        (AWQ, "awq", "autoawq-gemm", 4, 128),
        (AWQ | {"version": "GEMV"}, "awq", "autoawq-gemv", 4, 128),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, "awq", "autoawq-gemm", 4, 64),
        (GPTQ, "gptq", "gptq", 4, 128),
        (GPTQ | {"bits": 8, "group_size": -1}, "gptq", "gptq", 8, None),
        ({"quant_method": "fp8"}, "fp8", "fp8", 8, None),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", "fp8-block", 8, 128),
        ({"quant_method": "mxfp4"}, "mxfp4", "mxfp4", 4, 32),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            "bitsandbytes-4bit", "bitsandbytes-4bit", 4, None,
        ),
        (
            {"quant_method": "bitsandbytes", "load_in_8bit": True},
            "bitsandbytes-8bit", "bitsandbytes-8bit", 8, None,
        ),
        (
            compressed("pack-quantized", num_bits=4, type="int", group_size=128, symmetric=False),
            "w4a16", "compressed-tensors-w4a16", 4, 128,
        ),
        (
            compressed("pack-quantized", num_bits=8, type="int", strategy="channel"),
            "w8a16", "compressed-tensors-w8a16", 8, None,
        ),
        (
            compressed("int-quantized", activations=True, num_bits=8, type="int"),
            "int8", "compressed-tensors-int8", 8, None,
        ),
        (
            compressed("float-quantized", activations=True, num_bits=8, type="float"),
            "fp8", "compressed-tensors-fp8", 8, None,
        ),
        (
            compressed("nvfp4-pack-quantized", num_bits=4, type="float", group_size=16),
            "nvfp4", "compressed-tensors-nvfp4-pack-quantized", 4, 16,
        ),
        ({"quant_method": "quark"}, "quark", "quark", None, None),
        (
            {"quant_method": "compressed-tensors"},
            "compressed-tensors", "compressed-tensors", None, None,
        ),
    ],
)  # fmt: skip
def test_a_quantization_config_is_recognized(
    values: dict[str, Any], scheme: str, form: str, bits: int | None, group: int | None
) -> None:
    found = parse_quantization(values)
    assert (found.scheme, found.format, found.bits, found.group_size) == (scheme, form, bits, group)
    assert repr(values["quant_method"])[:-1] in str(found)


def test_bits_that_a_name_leaves_open_are_told_where_they_are_not_four() -> None:
    titles = [parse_quantization(config).title for config in (AWQ, GPTQ, GPTQ | {"bits": 8}, {})]
    assert titles == ["awq", "gptq", "gptq-8bit", "none"]


def test_what_some_engines_refuse_of_gptq_is_kept() -> None:
    found = parse_quantization(GPTQ | {"desc_act": True, "sym": False})
    assert (found.act_order, found.symmetric) == (True, False)


def test_plain_weights_have_no_quantization_config() -> None:
    assert ModelConfig({"quantization_config": None}).quantization is PLAIN


def test_the_language_models_part_may_have_it() -> None:
    for part in LANGUAGE_MODELS:
        config = ModelConfig({part: {"quantization_config": AWQ}})
        assert config.quantization.scheme == "awq"
    nested = {"thinker_config": {"text_config": {"compression_config": AWQ}}}
    assert ModelConfig(nested).quantization.scheme == "awq"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("FP8", ("fp8", "modelopt-fp8")),
        ("NVFP4", ("nvfp4", "modelopt-nvfp4")),
        ("W4A16_AWQ", ("awq", "modelopt-awq")),
        ("W9", ("modelopt W9", "modelopt")),
    ],
)
def test_modelopt_has_a_file_of_its_own(
    tmp_path: Path, algorithm: str, expected: tuple[str, str]
) -> None:
    file = tmp_path / "hf_quant_config.json"
    file.write_text(json.dumps({"quantization": {"quant_algo": algorithm, "group_size": 16}}))
    (tmp_path / "config.json").write_text("{}")
    found = read_config(tmp_path).quantization
    assert (found.scheme, found.format) == expected
    assert algorithm in str(found)


def test_a_modelopt_file_for_the_cache_alone_leaves_plain_weights() -> None:
    values = {"quantization": {"quant_algo": None, "kv_cache_quant_algo": "FP8"}}
    assert ModelConfig({}, modelopt=values).quantization is PLAIN


@pytest.mark.parametrize("method", ["awq", "gptq"])
def test_a_malformed_config_is_one_line(method: str) -> None:
    config = ModelConfig({"quantization_config": {"quant_method": method, "bits": "four"}})
    with pytest.raises(StartError, match=rf"quantization_config \({method}\) cannot be read"):
        _ = config.quantization
