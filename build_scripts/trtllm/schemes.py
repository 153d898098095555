"""What TensorRT-LLM 1.2 compiles: schemes, model families and the GPUs for them."""

from typing import NamedTuple

VERSION = "1.2.1"
"""The last stable release that compiles engines: 1.3.0rc20 ended it."""
NONE = "none"


class Scheme(NamedTuple):
    """`qformat` of examples/quantization/quantize.py; compute capabilities from `minimum` to, where
    there is one, `maximum` (docs/source/features/quantization.md, hardware matrix)."""

    qformat: str
    minimum: float = 8.0
    maximum: float | None = None


SCHEMES = {
    NONE: Scheme("full_prec"),
    "int4_awq": Scheme("int4_awq", maximum=9.0),
    "w4a8_awq": Scheme("w4a8_awq", 8.9, 9.0),
    "fp8": Scheme("fp8", 8.9),
    "fp8_pc_pt": Scheme("fp8_pc_pt", 8.9),
    "int8_sq": Scheme("int8_sq"),
    "int8_wo": Scheme("int8_wo"),
    "int4_wo": Scheme("int4_wo"),
    "nvfp4": Scheme("nvfp4", 10.0),
}
CALIBRATED = frozenset({"int4_awq", "w4a8_awq", "fp8", "fp8_pc_pt", "int8_sq", "nvfp4"})
CONVERTERS = {
    "llama": "llama",
    "mistral": "llama",
    "mixtral": "llama",
    "qwen2": "qwen",
    "qwen2_moe": "qwen",
    "qwen3": "qwen",
    "qwen3_moe": "qwen",
}
"""Model type -> folder in examples/models/core with its convert_checkpoint.py."""
