"""Every usual way of saying in a config that weights are quantized."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.plan.checkpoint import PLAIN, Stored, quantization_config, stored
from tests.plan.configs import AWQ, GPTQ


def compressed(layout: str, activations: bool = False, **weights: Any) -> dict[str, Any]:
    group = {
        "targets": ["Linear"],
        "weights": weights,
        "input_activations": {"num_bits": 8} if activations else None,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "config_groups": {"group_0": group},
    }


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
    found = stored(values)
    assert (found.scheme, found.format, found.bits, found.group_size) == (scheme, form, bits, group)
    assert repr(values["quant_method"])[:-1] in str(found)


def test_what_some_engines_refuse_of_gptq_is_kept() -> None:
    found = stored(GPTQ | {"desc_act": True, "sym": False})
    assert (found.act_order, found.symmetric) == (True, False)


def test_plain_weights_have_no_quantization_config() -> None:
    assert stored(quantization_config({"quantization_config": None})) is PLAIN


def test_the_language_models_part_may_have_it() -> None:
    config = {"text_config": {"quantization_config": AWQ}}
    assert stored(quantization_config(config)).scheme == "awq"


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
    found: Stored = stored(quantization_config({}, tmp_path))
    assert (found.scheme, found.format) == expected
    assert algorithm in str(found)
