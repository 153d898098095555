"""How the weights of a checkpoint are quantized already, from its config."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.files import read_json
from common.models.model import text_config

MODELOPT = "hf_quant_config.json"
"""Where NVIDIA's ModelOpt writes what others write into config.json."""
MODELOPT_FORMATS = {
    "FP8": ("fp8", "modelopt-fp8"),
    "NVFP4": ("nvfp4", "modelopt-nvfp4"),
    "W4A16_AWQ": ("awq", "modelopt-awq"),
    "W4A8_AWQ": ("w4a8", "modelopt-w4a8-awq"),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """`scheme` and `format` by our names (schemes.toml), or the config's own for another method.

    `group_size` counts inputs that share a scale; None is one for a whole row or matrix.
    `symmetric` and `act_order` are those of GPTQ.
    """

    scheme: str
    format: str
    method: str
    """As the config names it."""
    bits: int | None = None
    group_size: int | None = None
    symmetric: bool = True
    act_order: bool = False

    def __str__(self) -> str:
        """For a message: what a person finds in the config."""
        parts = [repr(self.method)]
        if self.bits is not None:
            parts.append(f"{self.bits} bits")
        if self.group_size is not None:
            parts.append(f"groups of {self.group_size}")
        return ", ".join(parts)


PLAIN = Stored("none", "plain", "none")


def quantization_config(config: Mapping[str, Any], path: Path | None = None) -> dict[str, Any]:
    """Empty for plain weights. `path` is the checkpoint's directory, where there is one."""
    for place in (config, text_config(dict(config))):
        found = place.get("quantization_config") or place.get("compression_config")
        if isinstance(found, dict):
            return found
    if path is not None and (path / MODELOPT).is_file():
        return {"quant_method": "modelopt", **(read_json(path / MODELOPT))}
    return {}


def stored(values: Mapping[str, Any]) -> Stored:
    """From a quantization_config."""
    if not values:
        return PLAIN
    method = str(values.get("quant_method") or "unknown")
    reader = READERS.get(method.replace("_", "-"))
    return Stored(method, method, method) if reader is None else reader(values, method)


def _awq(values: Mapping[str, Any], method: str) -> Stored:
    version = str(values.get("version") or "gemm").lower()
    bits = values.get("bits") or values.get("w_bit") or 4
    group = values.get("group_size") or values.get("q_group_size")
    return Stored("awq", f"autoawq-{version}", method, int(bits), _group(group))


def _gptq(values: Mapping[str, Any], method: str) -> Stored:
    return Stored(
        "gptq",
        "gptq",
        method,
        int(values.get("bits") or 4),
        _group(values.get("group_size")),
        symmetric=bool(values.get("sym", True)),
        act_order=bool(values.get("desc_act")),
    )


def _fp8(values: Mapping[str, Any], method: str) -> Stored:
    block = values.get("weight_block_size")
    if block:
        return Stored("fp8", "fp8-block", method, 8, int(block[-1]))
    return Stored("fp8", "fp8", method, 8)


def _bitsandbytes(values: Mapping[str, Any], method: str) -> Stored:
    bits = 8 if values.get("load_in_8bit") else 4
    return Stored(f"bitsandbytes-{bits}bit", f"bitsandbytes-{bits}bit", method, bits)


def _mxfp4(values: Mapping[str, Any], method: str) -> Stored:
    return Stored("mxfp4", "mxfp4", method, 4, 32)


def _modelopt(values: Mapping[str, Any], method: str) -> Stored:
    nested = values.get("quantization")
    inner: Mapping[str, Any] = nested if isinstance(nested, dict) else values
    algorithm = str(inner.get("quant_algo"))
    scheme, form = MODELOPT_FORMATS.get(algorithm, (f"modelopt {algorithm}", method))
    group = _group(inner.get("group_size"))
    return Stored(scheme, form, f"{method} {algorithm}", 8 if scheme == "fp8" else 4, group)


def _compressed_tensors(values: Mapping[str, Any], method: str) -> Stored:
    """Of its first group: the others, if any, are for other matrices."""
    groups = values.get("config_groups") or {}
    first = next(iter(groups.values()), None)
    weights = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(weights, dict):
        return Stored(method, method, method)
    bits, kind = int(weights.get("num_bits") or 0), weights.get("type")
    activations = bool(first.get("input_activations"))
    layout = str(first.get("format") or values.get("format") or "")
    scheme, form = _named(bits, str(kind), activations, layout)
    symmetric = bool(weights.get("symmetric", True))
    group = _group(weights.get("group_size"))
    name = f"{method} {layout}".strip()
    return Stored(scheme, form, name, bits, group, symmetric, bool(weights.get("actorder")))


def _named(bits: int, kind: str, activations: bool, layout: str) -> tuple[str, str]:
    """Our names of a scheme of compressed-tensors and of its format."""
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
    """-1 is a whole row."""
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
