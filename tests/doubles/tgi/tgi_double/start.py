"""How TGI's shard and router refuse to start, from the flags and from what they find in the model.

Of server/text_generation_server/cli.py and models/__init__.py, launcher/src/main.rs and
backends/v3/src/main.rs of 3.3, on a machine without bfloat16, flashdecoding or prefill budget of
its own: there is no GPU.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.doubles.tgi.tgi_double.flags import Values

DEFAULT_PREFILL = 4096
KNOWN_BY_ITSELF = ("llama", "mistral", "qwen2")
"""Of the models that tests have; others run on transformers, in one pass."""


def read(directory: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((directory / name).read_text("utf-8"))
    return value


def quantize(flags: Values) -> str | None:
    """The flag wins over what the checkpoint says."""
    stored = read(Path(flags["model-id"]), "config.json").get("quantization_config") or {}
    return flags.get("quantize") or stored.get("quant_method")


def shard_problem(flags: Values) -> str | None:
    """The last line of the shard's traceback."""
    scheme = quantize(flags)
    if "dtype" in flags and scheme is not None and not scheme.startswith("bitsandbytes"):
        return (
            "RuntimeError: Only 1 can be set between `dtype` and `quantize`, as they both decide "
            "how goes the final model."
        )
    tokenizer = read(Path(flags["model-id"]), "tokenizer_config.json")
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        return (
            "ValueError: Tokenizer class TokenizersBackend does not exist or is not currently "
            "imported."
        )
    return None


def router_problem(flags: Values, environment: Mapping[str, str]) -> str | None:
    budget = int(flags.get("max-batch-prefill-tokens", DEFAULT_PREFILL))
    longest = int(flags.get("max-input-tokens", 0))
    if longest > budget and not reads_in_parts(flags, environment):
        return (
            "`max_batch_prefill_tokens` must be >= `max_input_tokens`. Given: "
            f"{budget} and {longest}"
        )
    return None


def reads_in_parts(flags: Values, environment: Mapping[str, str]) -> bool:
    config = read(Path(flags["model-id"]), "config.json")
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return (
        environment.get("PREFILL_CHUNKING", "1") == "1"
        and int(flags.get("speculate", 0)) == 0
        and config["model_type"] in KNOWN_BY_ITSELF
        and environment.get("ATTENTION", "flashinfer") != "paged"
        and head in (64, 128, 256)
    )
