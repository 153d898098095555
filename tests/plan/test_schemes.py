"""Wishes by our names and by the engines' own, and checkpoints that are quantized already."""

from typing import Any

import pytest

from common.plan.choice import BuiltCheckpoint
from tests.models.configs import AWQ, GPTQ, LLAMA_3_8B, compressed, facts, family
from tests.plan.questions import CPU, plan, refusal

PLAIN = facts(LLAMA_3_8B, "org/plain")
AUTOAWQ = facts(LLAMA_3_8B, "org/awq", **AWQ)
W4A16 = facts(
    LLAMA_3_8B,
    "org/w4a16",
    **compressed("pack-quantized", num_bits=4, type="int", group_size=128, symmetric=False),
)
SYMMETRIC = facts(
    LLAMA_3_8B,
    "org/symmetric",
    **compressed("pack-quantized", num_bits=4, type="int", group_size=128),
)
INT8 = facts(LLAMA_3_8B, "org/int8", **compressed("int-quantized", True, num_bits=8, type="int"))
BITSANDBYTES = facts(LLAMA_3_8B, "org/bnb", quant_method="bitsandbytes", load_in_4bit=True)


@pytest.mark.parametrize(
    ("backend", "wanted", "scheme", "told"),
    [
        ("vllm", "none", "none", None),
        ("vllm", "fp8", "fp8", "fp8"),
        ("vllm", "fp8_per_block", "fp8", "fp8_per_block"),
        ("sglang", "bitsandbytes", "bitsandbytes-4bit", "bitsandbytes"),
        ("sglang", "bitsandbytes-4bit", "bitsandbytes-4bit", "bitsandbytes"),
        ("transformers", "bitsandbytes", "bitsandbytes-4bit", "bitsandbytes-4bit"),
        ("transformers", "bitsandbytes-8bit", "bitsandbytes-8bit", "bitsandbytes-8bit"),
        ("tgi", "bitsandbytes", "bitsandbytes-8bit", "bitsandbytes"),
        ("tgi", "bitsandbytes-4bit", "bitsandbytes-4bit", "bitsandbytes-nf4"),
        ("tgi", "bitsandbytes-fp4", "bitsandbytes-4bit", "bitsandbytes-fp4"),
        ("tgi", "eetq", "eetq", "eetq"),
        ("mlc", "q4f32_1", "q4f32_1", "q4f32_1"),
        ("mlc", "none", "none", "q0f16"),
        ("tensorrt_llm", "int4_awq", "int4_awq", "int4_awq"),
        ("triton", "awq", "int4_awq", "int4_awq"),
    ],
)
def test_a_wish_becomes_the_engines_own_name(
    backend: str, wanted: str, scheme: str, told: str | None
) -> None:
    found = plan(backend, PLAIN, "l4", quantization=wanted)
    assert (found.scheme, found.engine_name) == (scheme, told)
    assert found.checkpoint == "org/plain"
    if scheme not in ("none", "fp8"):
        assert found.weight_bytes is not None
        assert found.weight_bytes < 11e9


@pytest.mark.parametrize(
    ("backend", "wanted", "expected"),
    [
        ("vllm", "gguf", "has no quantization 'gguf'; allowed are auto, none, w4a16, awq"),
        ("vllm", "q4f16_1", "has no quantization 'q4f16_1'"),
        ("vllm", "bitsandbytes", "has no bitsandbytes; fp8, which it makes while loading"),
        ("lmdeploy", "bitsandbytes-4bit", "LMDeploy has no bitsandbytes; an AWQ checkpoint"),
        ("sglang", "bitsandbytes-8bit", "makes no 8-bit weights with bitsandbytes; bitsandbytes-4"),
        ("mlc", "gptq", "MLC-LLM has neither GPTQ nor bitsandbytes"),
        ("tensorrt_llm", "awq", "only as ModelOpt exports them; an engine would work, set as eng"),
        ("tensorrt_llm", "awq", "python -m build_scripts.trtllm --model org/plain --quantization"),
        ("tensorrt_llm", "gptq", "reads neither AutoAWQ's nor GPTQ's"),
        ("vllm", "awq", "make one of 5.3 GiB: python -m build_scripts.awq --model org/plain"),
        ("vllm", "gptq", "python -m build_scripts.quantize --model org/plain --scheme gptq"),
        ("vllm", "int8", "python -m build_scripts.quantize --model org/plain --scheme int8"),
        ("mlc", "awq", "python -m build_scripts.awq --model org/plain --format autoawq"),
        ("sglang", "mxfp4", "give one whose config.json says so"),
        ("lmdeploy", "fp8", 'engine_args={"backend": "pytorch"}'),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_what_would_work(
    backend: str, wanted: str, expected: str
) -> None:
    assert expected in refusal(backend, PLAIN, "l4", quantization=wanted)


def test_a_scheme_is_served_from_the_store_where_it_was_built() -> None:
    def built(scheme: str) -> list[BuiltCheckpoint]:
        return [BuiltCheckpoint("awq:1", "/store/awq/1", W4A16)] if scheme == "awq" else []

    found = plan("vllm", PLAIN, checkpoints=built, quantization="awq")
    assert (found.checkpoint, found.scheme, found.engine_name) == ("/store/awq/1", "w4a16", None)
    assert "build_scripts.quantize" in refusal(
        "vllm", PLAIN, checkpoints=built, quantization="gptq"
    )


@pytest.mark.parametrize(
    ("backend", "model", "wanted"),
    [
        ("vllm", AUTOAWQ, "awq"),
        ("vllm", W4A16, "awq"),
        ("vllm", W4A16, "gptq"),
        ("vllm", W4A16, "w4a16"),
        ("lmdeploy", AUTOAWQ, "awq"),
        ("sglang", INT8, "int8"),
        ("tgi", W4A16, "auto"),
        ("transformers", BITSANDBYTES, "bitsandbytes-4bit"),
        ("transformers", BITSANDBYTES, "bitsandbytes"),
    ],
)
def test_what_the_checkpoint_is_need_not_be_told(backend: str, model: Any, wanted: str) -> None:
    found = plan(backend, model, "l4", quantization=wanted)
    assert found.engine_name is None
    assert found.checkpoint == model.name


@pytest.mark.parametrize(
    ("backend", "name"),
    [("vllm", "awq_marlin"), ("sglang", "awq_marlin"), ("ray_serve", "auto_awq")],
)
def test_an_engines_own_name_for_the_same_is_passed_on(backend: str, name: str) -> None:
    assert plan(backend, AUTOAWQ, quantization=name).engine_name == name


@pytest.mark.parametrize(
    ("model", "wanted"),
    [(AUTOAWQ, "none"), (AUTOAWQ, "gptq"), (AUTOAWQ, "fp8"), (W4A16, "int8"), (INT8, "awq_marlin")],
)
def test_a_setting_that_contradicts_the_checkpoint_is_refused_with_both(
    model: Any, wanted: str
) -> None:
    message = refusal("vllm", model, quantization=wanted)
    assert f"quantization {wanted!r} contradicts the checkpoint {model.name}" in message
    assert str(model.quantization) in message
    assert "allowed is 'auto', or give the unquantized model" in message


def test_a_name_that_nobody_has_is_no_contradiction() -> None:
    assert "has no quantization 'awk'" in refusal("vllm", AUTOAWQ, quantization="awk")


@pytest.mark.parametrize(
    ("backend", "model", "expected"),
    [
        ("vllm", BITSANDBYTES, "has no bitsandbytes, and org/bnb is quantized as 'bitsandbytes'"),
        ("lmdeploy", INT8, "LMDeploy does not load org/int8"),
        ("mlc", W4A16, "q4f16_1 from the unquantized checkpoint would work"),
        ("transformers", W4A16, "that are symmetric"),
        ("tensorrt_llm", AUTOAWQ, "python -m build_scripts.trtllm --model MODEL"),
        ("vllm", facts(LLAMA_3_8B, "org/odd", quant_method="odd"), "does not load org/odd"),
    ],
)
def test_a_checkpoint_that_the_engine_does_not_load_is_refused(
    backend: str, model: Any, expected: str
) -> None:
    assert expected in refusal(backend, model, "l4")


def test_a_quantized_checkpoint_is_compiled_as_it_is() -> None:
    for model, name in (("org/awq", "awq"), ("org/gptq", "gptq")):
        stored = facts(LLAMA_3_8B, model, **(AWQ if name == "awq" else GPTQ))
        expected = f"python -m build_scripts.trtllm --model {model} --quantization {name}"
        assert plan("triton", stored).build == expected


def test_awq_is_loaded_of_some_families_only_where_the_engine_says_so() -> None:
    assert plan("mlc", AUTOAWQ).scheme == "q4f16_autoawq"
    qwen = facts(family("qwen2"), "org/qwen", **AWQ)
    message = refusal("mlc", qwen)
    assert "of llama, olmo models only" in message
    assert "a 'qwen2' model; q4f16_1 of the unquantized model would work" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"group_size": 64}, "LMDeploy loads gptq checkpoints with groups of 128"),
        ({"desc_act": True}, "without desc_act"),
        ({"sym": False}, "that are symmetric"),
    ],
)
def test_what_an_engine_wants_of_a_checkpoint_is_told(
    changes: dict[str, Any], expected: str
) -> None:
    assert expected in refusal("lmdeploy", facts(LLAMA_3_8B, "org/gptq", **GPTQ | changes))


def test_columns_that_the_groups_do_not_divide_are_told_before_a_build() -> None:
    odd = facts(LLAMA_3_8B | {"intermediate_size": 14400}, "org/odd")
    message = refusal("vllm", odd, quantization="awq")
    assert "groups of 128 do not divide the 14400 inputs of model.layers.0.mlp.down_proj" in message


@pytest.mark.parametrize(
    ("backend", "model", "gpu", "wish", "expected"),
    [
        ("vllm", AUTOAWQ, "v100-32gb", {}, "from compute capability 7.5 on, and v100-32gb has 7.0"),
        ("sglang", PLAIN, "t4", {"quantization": "fp8"}, "has fp8 from compute capability 8.0 on"),
        ("tensorrt_llm", PLAIN, "t4", {}, "TensorRT-LLM runs from compute capability 8.0 on"),
        (
            "tensorrt_llm", PLAIN, "b200", {"quantization": "int4_awq"},
            "has int4_awq up to compute capability 9.0, and b200 has 10.0; allowed there are none",
        ),
        ("vllm", PLAIN, "t4", {"dtype": "bfloat16"}, "bfloat16 from compute capability 8.0 on"),
        ("vllm", PLAIN, "t4", {"dtype": "bfloat16"}, "set dtype=float16"),
        ("lmdeploy", PLAIN, CPU, {}, "LMDeploy is planned for GPUs only"),
        ("transformers", PLAIN, CPU, {"quantization": "bitsandbytes"}, "on a CPU; allowed there"),
    ],
)  # fmt: skip
def test_what_the_device_lacks_is_refused_with_what_it_has(
    backend: str, model: Any, gpu: Any, wish: dict[str, Any], expected: str
) -> None:
    assert expected in refusal(backend, model, gpu, **wish)


def test_on_a_gpu_without_bfloat16_float16_is_computed() -> None:
    small = facts(LLAMA_3_8B | {"num_hidden_layers": 8}, "org/small")
    assert plan("vllm", small, "t4").dtype == "float16"
    assert plan("vllm", small, "l4").dtype == "bfloat16"


def test_float32_weights_take_16_bits_but_in_an_engine_that_keeps_them() -> None:
    single = facts(LLAMA_3_8B | {"torch_dtype": "float32"}, "org/single")
    assert plan("vllm", single).weight_bytes == 16_060_522_496
    assert plan("transformers", single).weight_bytes == 2 * 16_060_522_496


def test_an_engine_that_unpacks_its_weights_needs_their_plain_size() -> None:
    assert plan("transformers", SYMMETRIC).weight_bytes == 16_060_522_496
    packed = plan("vllm", SYMMETRIC).weight_bytes
    assert packed is not None
    assert packed < 6e9


@pytest.mark.parametrize(
    ("backend", "wanted", "arguments"),
    [
        ("vllm", "fp8", {"kv_cache_dtype": "fp8"}),
        ("vllm", "int8", {"kv_cache_dtype": "int8_per_token_head"}),
        ("ray_serve", "fp8_e5m2", {"kv_cache_dtype": "fp8_e5m2"}),
        ("sglang", "fp8", {"kv_cache_dtype": "fp8_e4m3"}),
        ("lmdeploy", "int8", {"quant_policy": 8}),
        ("lmdeploy", "int4", {"quant_policy": 4}),
        ("tgi", "fp8_e4m3fn", {"kv-cache-dtype": "fp8_e4m3fn"}),
        ("tensorrt_llm", "fp8", {"kv_cache_config": {"dtype": "fp8"}}),
    ],
)
def test_a_quantized_cache_is_asked_for_in_the_engines_way(
    backend: str, wanted: str, arguments: dict[str, Any]
) -> None:
    usual, found = plan(backend, PLAIN), plan(backend, PLAIN, kv_cache_dtype=wanted)
    assert found.arguments == arguments
    assert usual.kv_tokens is not None
    assert found.kv_tokens is not None
    assert found.kv_tokens > 1.8 * usual.kv_tokens


def test_a_cache_that_the_users_arguments_ask_for_is_counted_too() -> None:
    found = plan("lmdeploy", PLAIN, engine_args={"quant_policy": 8})
    assert found.kv_cache_dtype == "int8"


@pytest.mark.parametrize(
    ("backend", "gpu", "wanted", "expected"),
    [
        ("vllm", "l4", "fp7", "has no KV cache in 'fp7'; allowed are auto, fp8, fp8_e5m2, int8"),
        ("mlc", "l4", "fp8", "MLC-LLM has no KV cache in 'fp8'; allowed are auto"),
        ("lmdeploy", "l4", "fp8", "int8 would work"),
        ("vllm", "t4", "fp8", "from compute capability 8.0 on, and t4 has 7.5"),
        ("vllm", CPU, "int8", "on a CPU; allowed there are auto, fp8"),
    ],
)
def test_a_cache_that_cannot_be_is_refused(
    backend: str, gpu: Any, wanted: str, expected: str
) -> None:
    assert expected in refusal(backend, PLAIN, gpu, kv_cache_dtype=wanted)


def test_rows_of_another_engine_inside_the_backend_need_its_argument() -> None:
    found = plan("lmdeploy", PLAIN, "h100", quantization="fp8", engine_args={"backend": "pytorch"})
    assert (found.scheme, found.engine_name) == ("fp8", "fp8")


def test_a_checkpoint_that_was_built_with_smaller_groups_is_taken() -> None:
    odd = LLAMA_3_8B | {"intermediate_size": 14400}
    layout = compressed("pack-quantized", num_bits=4, type="int", group_size=64)
    found = BuiltCheckpoint("awq:64", "/store/awq/64", facts(odd, "org/odd-awq", **layout))
    chosen = plan("vllm", facts(odd, "org/odd"), checkpoints=lambda _: [found], quantization="awq")
    assert chosen.artifact == "awq:64"
