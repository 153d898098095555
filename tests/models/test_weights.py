"""Bytes of weights: exact where there are files, and as published where there is only a config."""

from pathlib import Path
from typing import Any

import pytest

from common.models.errors import NotUnderstood
from common.models.facts import facts_of_directory
from common.models.formats import formats, predict
from common.models.model import DEMO_MODEL
from common.models.tensors import Tensor
from common.plan.choice import check_groups
from common.plan.errors import Refused
from tests.models.configs import AWQ, GPTQ, LLAMA_3_8B, LLAMA_3_70B, facts, family

GIB = 2**30
MATRIX = Tensor("model.layers.0.mlp.up_proj.weight", (512, 256), "bfloat16")
EMBEDDING = Tensor("model.embed_tokens.weight", (1000, 256), "bfloat16")
HEAD = Tensor("lm_head.weight", (1000, 256), "bfloat16")
NORM = Tensor("model.norm.weight", (256,), "bfloat16")
ROUTER = Tensor("model.layers.0.mlp.gate.weight", (8, 256), "bfloat16")
PLAIN = 2 * (1000 * 256 + 1000 * 256 + 256 + 8 * 256)
WEIGHTS = 512 * 256 // 2
"""Bytes of the matrix at 4 bits."""
SCALES = 512 * 2 * 2
"""16 bits for each row and each of two groups of 128."""
ZEROS = 512 * 2 // 2


def test_the_demo_model_is_predicted_to_what_lies_on_disk() -> None:
    on_disk = (DEMO_MODEL / "model.safetensors").stat().st_size
    found = facts_of_directory(DEMO_MODEL)
    by_config = facts(dict(found.config.values))
    assert found.file_bytes == by_config.file_bytes == found.loaded_bytes("bfloat16")
    assert found.file_bytes == pytest.approx(on_disk, rel=0.01)
    assert found.tensors is not None
    assert {(t.name, t.shape, t.dtype) for t in found.tensors} == {
        (t.name, t.shape, t.dtype) for t in by_config.plain_tensors
    }


def test_llama_3_8b_takes_16_gb_in_16_bits() -> None:
    assert facts(LLAMA_3_8B).loaded_bytes("bfloat16") == 16_060_522_496
    assert facts(LLAMA_3_8B).loaded_bytes("float32") == 2 * 16_060_522_496


def test_llama_3_70b_takes_37_gib_in_awq() -> None:
    found = facts(LLAMA_3_70B, **AWQ).loaded_bytes("float16")
    assert found / GIB == pytest.approx(37, rel=0.01)
    plain = facts(LLAMA_3_70B)
    assert plain.predict("awq", "autoawq-gemm", "float16") == found
    assert plain.loaded_bytes("bfloat16") == pytest.approx(141.1e9, rel=0.001)


@pytest.mark.parametrize(
    ("scheme", "form", "matrix"),
    [
        ("awq", "autoawq-gemm", WEIGHTS + SCALES + ZEROS),
        ("awq", "compressed-tensors-w4a16", WEIGHTS + SCALES + ZEROS + 16),
        ("gptq", "compressed-tensors-w4a16", WEIGHTS + SCALES + 16),
        ("gptq", "gptq", WEIGHTS + SCALES + ZEROS + 256 * 4),
        ("int8", "compressed-tensors-int8", 512 * 256 + 512 * 2),
        ("fp8", "compressed-tensors-fp8", 512 * 256 + 512 * 2),
        ("fp8", "fp8-block", 512 * 256 + 4 * 2 * 4),
        ("bitsandbytes-4bit", "bitsandbytes-4bit", WEIGHTS + 512 * 4 * 4),
        ("bitsandbytes-8bit", "bitsandbytes-8bit", 512 * 256 + 512 * 4),
        ("mxfp4", "mxfp4", WEIGHTS + 512 * 8),
    ],
)
def test_a_format_has_its_weights_scales_and_zeros_and_leaves_the_rest(
    scheme: str, form: str, matrix: int
) -> None:
    tensors = [MATRIX, EMBEDDING, HEAD, NORM, ROUTER]
    assert predict(tensors, scheme, form, dtype="bfloat16") == matrix + PLAIN


def test_embedding_and_head_are_quantized_where_the_format_says_so() -> None:
    words, scales = 256 // 8 * 4, 256 // 32 * 2
    expected = (512 + 1000 + 1000) * (words + scales) + 2 * 256 + 2 * 8 * 256
    tensors = [MATRIX, EMBEDDING, HEAD, NORM, ROUTER]
    assert predict(tensors, "q4f16_1", "group32-4bit-f16", dtype="bfloat16") == expected
    # Three bits: groups of 40 in four words of ten, the last group not full.
    rows = 512 + 1000 + 1000
    expected = rows * (7 * 4 * 4 + 7 * 2) + 2 * 256 + 2 * 8 * 256
    assert predict(tensors, "q3f16_1", "group40-3bit-f16", dtype="bfloat16") == expected


def test_a_tied_head_is_not_counted_twice() -> None:
    tied = facts(family("llama, tied"))
    assert not [tensor for tensor in tied.plain_tensors if tensor.kind == "head"]
    stored_twice = predict([EMBEDDING, HEAD], "awq", "autoawq-gemm", dtype="bfloat16", tied=True)
    assert stored_twice == EMBEDDING.size


def test_all_experts_are_quantized_and_no_router() -> None:
    fused = Tensor("model.layers.0.mlp.experts.gate_up_proj", (4, 512, 256), "bfloat16")
    one = predict([MATRIX], "awq", "autoawq-gemm", dtype="bfloat16")
    assert predict([fused], "awq", "autoawq-gemm", dtype="bfloat16") == 4 * one
    assert ROUTER.kind == "other"
    vision = Tensor("model.vision_tower.layers.0.mlp.fc1.weight", (512, 256), "bfloat16")
    assert vision.kind == "other"


def test_another_group_size_has_other_scales() -> None:
    halved = facts(LLAMA_3_8B, **AWQ | {"group_size": 64}).loaded_bytes("float16")
    usual = facts(LLAMA_3_8B, **AWQ).loaded_bytes("float16")
    linear = sum(t.elements for t in facts(LLAMA_3_8B).plain_tensors if t.kind == "linear")
    assert halved - usual == linear // 128 * 2 + linear // 128 // 2


@pytest.mark.parametrize(
    ("config", "gpus", "expected"),
    [
        ({"hidden_size": 192}, 1, "groups of 128 do not divide the 192 inputs of model.layers.0"),
        ({}, 4, r"on 4 GPUs groups of 128 do not divide the 256 / 4 inputs .*divisor of 2"),
    ],
)
def test_groups_that_do_not_divide_are_refused_with_the_tensor(
    config: dict[str, Any], gpus: int, expected: str
) -> None:
    found = facts(family("llama") | {"num_attention_heads": 8, "head_dim": 64} | config, **AWQ)
    with pytest.raises(Refused, match=expected):
        check_groups(found.plain_tensors, "autoawq-gemm", gpus, found.quantization)


def test_an_unknown_format_is_not_guessed() -> None:
    with pytest.raises(NotUnderstood, match="'new-format' is not known"):
        predict([MATRIX], "awq", "new-format", dtype="bfloat16")
    with pytest.raises(NotUnderstood, match="holds no 'awq'"):
        predict([MATRIX], "awq", "mxfp4", dtype="bfloat16")


def test_every_format_has_a_source_and_names_a_scheme() -> None:
    for form in formats().values():
        assert len(form.source) > 10
        assert form.schemes


def test_quantized_files_weigh_what_their_headers_say(tmp_path: Path) -> None:
    from tests.models.files import write_model

    config = family("llama") | {"quantization_config": GPTQ}
    tensors = {
        "model.layers.0.mlp.up_proj.qweight": ("I32", (16, 256)),
        "model.layers.0.mlp.up_proj.scales": ("F16", (1, 256)),
        "model.norm.weight": ("BF16", (128,)),
    }
    found = facts_of_directory(write_model(tmp_path, config, tensors))
    assert found.file_bytes == 16 * 256 * 4 + 256 * 2 + 128 * 2
    assert found.loaded_bytes("float32") == 16 * 256 * 4 + 256 * 4 + 128 * 4
