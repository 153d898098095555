"""What the backend reads from config.pbtxt, with its own defaults and complaints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[1] / "contracts" / "triton_tensors.json"
NEEDED = (
    "gpt_model_type",
    "tokenizer_dir",
    "xgrammar_tokenizer_info_path",
    "guided_decoding_backend",
)
"""Read without a default: the model does not load without them."""
ENGINE = "stands in for a compiled engine\n"
"""The contents of its own. What the builders' doubles compile names its model's directory."""
INSTANCE = "unexpected error when creating modelInstanceState: "


def known_parameters() -> frozenset[str]:
    """Of the shipped config.pbtxt; the contract adds notes to some names."""
    models = json.loads(CONTRACT.read_text("utf-8"))["models"]
    names = models["inflight_batcher_llm/tensorrt_llm"]["parameters"]
    return frozenset(name.partition("<-")[0].partition("(")[0] for name in names)


@dataclass(frozen=True)
class BackendSettings:
    max_seq_len: int
    max_input_len: int
    max_batch_size: int
    vocab_size: int
    exclude_input_in_output: bool
    cancellation_check_period: float
    """In seconds."""


def read_settings(config: Mapping[str, Any]) -> BackendSettings:
    """Raises ValueError for what the backend refuses, and for a parameter that it does not have."""
    values = {name: entry["string_value"] for name, entry in config["parameters"].items()}
    if unknown := sorted(values.keys() - known_parameters()):
        raise ValueError(f"unknown parameter {', '.join(unknown)}")
    for name in NEEDED:
        if name not in values:
            raise ValueError(f"Cannot find parameter with name: {name}")
    if values["gpt_model_type"] != "inflight_fused_batching":
        raise ValueError("Invalid gpt_model_type. Must be v1/inflight_batching/...")
    if boolean(values, "normalize_log_probs", default=True):
        raise ValueError("this double gives probabilities among all tokens only")
    fraction(values, "kv_cache_free_gpu_mem_fraction")
    engine = Path(values.get("gpt_model_path", ""))
    if not (engine / "rank0.engine").is_file():
        raise ValueError(f"Decoder (GPT) model path at {engine} does not exist.")
    compiled = (engine / "rank0.engine").read_text("utf-8")
    if compiled != ENGINE and not Path(compiled).is_dir():
        raise ValueError(f"{INSTANCE}Assertion failed: Failed to deserialize cuda engine.")
    built = json.loads((engine / "config.json").read_text("utf-8"))
    limits, plugins = built["build_config"], built["build_config"]["plugin_config"]
    chunked = boolean(values, "enable_chunked_context", default=False)
    if chunked and not plugins["use_paged_context_fmha"]:
        raise ValueError("chunked context requires building the model with use_paged_context_fmha")
    longest = limits["max_seq_len"] - 1
    return BackendSettings(
        max_seq_len=limits["max_seq_len"],
        max_input_len=longest if chunked else min(longest, limits["max_num_tokens"]),
        max_batch_size=limits["max_batch_size"],
        vocab_size=built["pretrained_config"]["vocab_size"],
        exclude_input_in_output=boolean(values, "exclude_input_in_output", default=False),
        cancellation_check_period=int(values.get("cancellation_check_period_ms", 100)) / 1000,
    )


def boolean(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    """One that is spelt in another way counts as missing."""
    return {"true": True, "1": True, "false": False, "0": False}.get(
        values.get(name, "").lower(), default
    )


def fraction(values: Mapping[str, str], name: str) -> None:
    if not 0 < float(values.get(name, 0.9)) < 1:
        raise ValueError(f"{INSTANCE}Assertion failed: freeGpuMemoryFraction < 1.F")
