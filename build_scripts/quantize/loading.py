"""A model to measure, plain or quantized, in whatever transformers the tool has."""

from pathlib import Path
from typing import Any

from build_scripts.quantize.tool import device_map
from common.models.portable import CONFIG, read_json

NIBBLES = (0, 4, 1, 5, 2, 6, 3, 7)
"""AutoAWQ's order: where in a word the value of each of its eight columns lies."""


def load(directory: Path, *, trust_remote_code: bool) -> Any:
    from transformers import AutoModelForCausalLM

    quantization = read_json(directory / CONFIG).get("quantization_config") or {}
    options: dict[str, Any] = {
        "torch_dtype": "auto",
        "device_map": device_map(),
        "trust_remote_code": trust_remote_code,
    }
    if quantization.get("quant_method") != "awq":
        return AutoModelForCausalLM.from_pretrained(directory, **options).eval()
    # AutoAWQ's own layers compute on a GPU only, and those of transformers 5 nowhere without
    # another package: as plain weights it is the same model.
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(directory, trust_remote_code=trust_remote_code)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(
        config, torch_dtype=config.torch_dtype, trust_remote_code=trust_remote_code
    )
    weights = plain_weights(directory, quantization["group_size"])
    missing = model.load_state_dict(weights, strict=False).missing_keys
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    if set(missing) - tied:
        raise SystemExit(f"{directory} lacks {', '.join(sorted(set(missing) - tied)[:5])}")
    return model.to("cuda" if device_map() == "auto" else "cpu").eval()


def plain_weights(directory: Path, group_size: int) -> dict[str, Any]:
    """Returns every tensor of an AutoAWQ checkpoint, those of quantized layers computed back."""
    from safetensors.torch import load_file

    stored: dict[str, Any] = {}
    for file in sorted(directory.glob("*.safetensors")):
        stored |= load_file(file)
    plain = {}
    for name, tensor in stored.items():
        layer, _, part = name.rpartition(".")
        if part == "qweight":
            scales = stored[f"{layer}.scales"].repeat_interleave(group_size, 0)
            zeros = _unpacked(stored[f"{layer}.qzeros"]).repeat_interleave(group_size, 0)
            plain[f"{layer}.weight"] = ((_unpacked(tensor) - zeros) * scales).t().contiguous()
        elif part not in ("qzeros", "scales"):
            plain[name] = tensor
    return plain


def _unpacked(words: Any) -> Any:
    """Turns int32 of shape [rows, columns / 8] to 4-bit values of shape [rows, columns]."""
    import torch

    shifts = torch.tensor(NIBBLES, dtype=torch.int32) * 4
    return ((words[:, :, None] >> shifts) & 15).flatten(1)
