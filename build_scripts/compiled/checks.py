"""What no engine compiles, told before anything is loaded."""

from collections.abc import Sequence
from typing import Any

from build_scripts.builder import BuildError, Source
from common.errors import StartError
from common.models.gpu import visible_gpus


def capability() -> tuple[float, str] | None:
    """Of the GPU here, with its name; None without one, which does not end a dry run."""
    try:
        found, name = visible_gpus("any kind")[0]
    except StartError:
        return None
    return float(found), name


def stored(source: Source) -> dict[str, Any]:
    """How a checkpoint is quantized, empty for plain weights."""
    found = source.config.get("quantization_config") or {}
    return dict(found)


def method(source: Source) -> str | None:
    """The checkpoint's quantization method."""
    found = stored(source).get("quant_method")
    return None if found is None else str(found)


def rows(source: Source) -> dict[str, int]:
    """The numbers of inputs of a language model's matrices, by what their size comes from."""
    config = source.text_config
    heads = config.get("num_attention_heads") or 1
    hidden = config.get("hidden_size") or 0
    head = config.get("head_dim") or hidden // heads
    inner = config.get("moe_intermediate_size") or config.get("intermediate_size") or 0
    return {"hidden_size": hidden, "heads x head_dim": heads * head, "intermediate_size": inner}


SPLIT = ("heads x head_dim", "intermediate_size")
"""Of `rows`, those of which each GPU has a part."""


def check_groups(source: Source, group: int, gpus: int, flag: str) -> None:
    """Raises BuildError unless groups of `group` inputs fill every matrix, on each of the GPUs."""
    for name, size in rows(source).items():
        parts = gpus if name in SPLIT else 1
        if size % (group * parts):
            each = f" on each of {parts} GPUs" if parts > 1 else ""
            raise BuildError(
                f"{flag}: its groups of {group} do not fill {name} = {size}{each}; allowed is a "
                "scheme without groups, or fewer GPUs where that is why"
            )


def check_gpus(source: Source, gpus: int, flag: str) -> None:
    """Raises BuildError when the model cannot be split so."""
    heads = source.text_config.get("num_attention_heads")
    if heads is not None and heads % gpus:
        raise BuildError(f"{flag} {gpus} does not divide {heads} heads")


def check_length(source: Source, wanted: int | None, flag: str) -> None:
    limit = source.text_config.get("max_position_embeddings")
    if wanted is not None and limit is not None and wanted > limit:
        raise BuildError(
            f"{flag} {wanted} is more than the model's {limit} tokens; allowed is at most that"
        )


def check_code(source: Source, trusted: bool, tool: str) -> None:
    """Raises BuildError for a model whose own code the tools would run unasked."""
    if source.config.get("auto_map") and not trusted:
        raise BuildError(
            f"{source.model} brings code of its own, which {tool} would run; read it, and add "
            "--trust-remote-code"
        )


def listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
