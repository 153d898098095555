"""How the weights of a checkpoint are stored: every usual way of saying it in a config."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import StartError

MODELOPT = "hf_quant_config.json"
"""Where NVIDIA's ModelOpt writes what others write into config.json."""
MODELOPT_FORMATS = {
    "FP8": ("fp8", "modelopt-fp8"),
    "NVFP4": ("nvfp4", "modelopt-nvfp4"),
    "W4A16_AWQ": ("awq", "modelopt-awq"),
    "W4A8_AWQ": ("w4a8", "modelopt-w4a8-awq"),
}

USUAL_GROUP = 128
"""The group size of AWQ and GPTQ where a config names none."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """`scheme` and `format` by our names (formats.toml), or the config's own for another method.

    `group_size` counts inputs that share a scale; None is one for a whole row or matrix.
    `symmetric` and `act_order` are those of GPTQ, `activations` is "static" or "dynamic" where the
    config says how they are quantized.
    """

    scheme: str
    format: str
    method: str
    """The name in the config."""
    bits: int | None = None
    group_size: int | None = None
    symmetric: bool = True
    act_order: bool = False
    activations: str | None = None

    @property
    def title(self) -> str:
        """The scheme, with its bits where they are not the usual four of its name: gptq-8bit."""
        unusual = self.scheme in ("awq", "gptq") and self.bits not in (None, 4)
        return f"{self.scheme}-{self.bits}bit" if unusual else self.scheme

    def __str__(self) -> str:
        """Returns what a person finds in the config, for a message."""
        parts = [repr(self.method)]
        if self.bits is not None:
            parts.append(f"{self.bits} bits")
        if self.group_size is not None:
            parts.append(f"groups of {self.group_size}")
        return ", ".join(parts)


PLAIN = Quantization("none", "plain", "none")


def parse_quantization(values: Mapping[str, Any]) -> Quantization:
    """Reads a quantization_config, empty for plain weights.

    Raises StartError for a malformed one.
    """
    if not values:
        return PLAIN
    default = "compressed-tensors" if "config_groups" in values else "unknown"
    method = str(values.get("quant_method") or default)
    reader = READERS.get(method.replace("_", "-"))
    try:
        return Quantization(method, method, method) if reader is None else reader(values, method)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise StartError(
            f"the model's quantization_config ({method}) cannot be read: {error}"
        ) from None


def _awq(values: Mapping[str, Any], method: str) -> Quantization:
    version = str(values.get("version") or "gemm").lower()
    bits = values.get("bits") or values.get("w_bit") or 4
    group = values.get("group_size") or values.get("q_group_size", USUAL_GROUP)
    return Quantization("awq", f"autoawq-{version}", method, int(bits), _group(group))


def _gptq(values: Mapping[str, Any], method: str) -> Quantization:
    return Quantization(
        "gptq",
        "gptq",
        method,
        int(values.get("bits") or 4),
        _group(values.get("group_size", USUAL_GROUP)),
        symmetric=bool(values.get("sym", True)),
        act_order=bool(values.get("desc_act")),
    )


def _fp8(values: Mapping[str, Any], method: str) -> Quantization:
    block, activations = values.get("weight_block_size"), values.get("activation_scheme")
    form, group = ("fp8-block", int(block[-1])) if block else ("fp8", None)
    return Quantization("fp8", form, method, 8, group, activations=activations)


def _bitsandbytes(values: Mapping[str, Any], method: str) -> Quantization:
    bits = 8 if values.get("load_in_8bit") else 4
    return Quantization(f"bitsandbytes-{bits}bit", f"bitsandbytes-{bits}bit", method, bits)


def _mxfp4(values: Mapping[str, Any], method: str) -> Quantization:
    return Quantization("mxfp4", "mxfp4", method, 4, 32)


def _modelopt(values: Mapping[str, Any], method: str) -> Quantization:
    nested = values.get("quantization")
    inner: Mapping[str, Any] = nested if isinstance(nested, dict) else values
    if inner.get("quant_algo") is None:
        # Only the KV cache is quantized.
        return PLAIN
    algorithm = str(inner["quant_algo"])
    scheme, form = MODELOPT_FORMATS.get(algorithm, (f"modelopt {algorithm}", method))
    group = _group(inner.get("group_size"))
    return Quantization(scheme, form, f"{method} {algorithm}", 8 if scheme == "fp8" else 4, group)


def _compressed_tensors(values: Mapping[str, Any], method: str) -> Quantization:
    """Reads the first group: the others, if any, are for other matrices."""
    groups = values.get("config_groups") or {}
    first = next(iter(groups.values()), None)
    weights = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(weights, dict):
        return Quantization(method, method, method)
    bits, kind = int(weights.get("num_bits") or 0), weights.get("type")
    activations = bool(first.get("input_activations"))
    layout = str(first.get("format") or values.get("format") or "")
    scheme, form = _compressed_names(bits, str(kind), activations, layout)
    symmetric = bool(weights.get("symmetric", True))
    group = _group(weights.get("group_size"))
    name = f"{method} {layout}".strip()
    return Quantization(scheme, form, name, bits, group, symmetric, bool(weights.get("actorder")))


def _compressed_names(bits: int, kind: str, activations: bool, layout: str) -> tuple[str, str]:
    """Returns our names of a scheme of compressed-tensors and of its format."""
    if kind == "float" and bits == 8:
        return "fp8", "compressed-tensors-fp8"
    if kind == "float" and bits == 4:
        return ("mxfp4" if "mxfp4" in layout else "nvfp4"), f"compressed-tensors-{layout}"
    if kind == "int" and bits == 8 and activations:
        return "int8", "compressed-tensors-int8"
    if kind == "int" and not activations:
        return f"w{bits}a16", f"compressed-tensors-w{bits}a16"
    return f"w{bits}a{8 if activations else 16}", f"compressed-tensors-{layout or kind}"


def _group(value: Any) -> int | None:
    """-1 stands for a whole row."""
    return int(value) if isinstance(value, int) and value > 0 else None


READERS = {
    "awq": _awq,
    "gptq": _gptq,
    "fp8": _fp8,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "modelopt": _modelopt,
    "compressed-tensors": _compressed_tensors,
}
