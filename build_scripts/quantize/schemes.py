"""The schemes by our names: what llm-compressor calls them and what they need."""

from typing import NamedTuple

COMPRESSED_TENSORS = "compressed-tensors"
AUTOAWQ = "autoawq"
FORMATS = (COMPRESSED_TENSORS, AUTOAWQ)
ROUTERS = ("gate", "router", "shared_expert_gate")
"""Last names of the layers that choose experts: engines take them unquantized only."""
HEAD = "lm_head"
TOKENS = "tokens.json"
SOURCE = "source"
"""Names in a build's scratch: the texts as token ids, and the model as both tools can read it."""
QUALITY = "quality.json"
"""The name of the measurements' file in the checkpoint."""


class QuantizationScheme(NamedTuple):
    """`preset` is a name of compressed-tensors' (compressed_tensors/quantization/quant_scheme.py).

    `grouped` ones have a scale for every group of columns, `calibrated` ones need text.
    """

    preset: str
    grouped: bool
    calibrated: bool
    says: str


SCHEMES = {
    "awq": QuantizationScheme("W4A16_ASYM", True, True, "4-bit weights with zero points"),
    "gptq": QuantizationScheme("W4A16", True, True, "4-bit weights, symmetric"),
    "fp8": QuantizationScheme("FP8_DYNAMIC", False, False, "8-bit floats, activations too"),
    "int8": QuantizationScheme("W8A8", False, True, "8-bit integers, activations too"),
}
