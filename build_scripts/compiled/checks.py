"""Refuses models that no engine compiles, before anything is loaded."""

from collections.abc import Sequence

from build_scripts.builder import BuildError, Source
from common.errors import StartError
from common.models.config import head_size
from common.models.gpu import visible_gpus


def capability() -> tuple[float, str] | None:
    """Returns the compute capability and the name of the GPU here, None without one, which does
    not end a dry run."""
    try:
        gpu = visible_gpus("any kind")[0]
    except StartError:
        return None
    return float(gpu.compute_capability), gpu.name


def matrix_inputs(source: Source) -> dict[str, int]:
    """Returns the numbers of inputs of a language model's matrices, by what they come from."""
    text, heads = source.config.text, source.config.heads
    inner = text.get("moe_intermediate_size") or text.get("intermediate_size") or 0
    hidden = text.get("hidden_size") or 0
    return {
        "hidden_size": hidden,
        "heads x head_dim": heads * head_size(text) if heads and hidden else 0,
        "intermediate_size": inner,
    }


SPLIT = ("heads x head_dim", "intermediate_size")
"""Names of `matrix_inputs` of which each GPU has a part."""


def check_groups(source: Source, group: int, gpus: int, flag: str) -> None:
    """Raises BuildError unless groups of `group` inputs fill every matrix, on each of the GPUs."""
    for name, size in matrix_inputs(source).items():
        parts = gpus if name in SPLIT else 1
        if size % (group * parts):
            each = f" on each of {parts} GPUs" if parts > 1 else ""
            raise BuildError(
                f"{flag}: its groups of {group} do not fill {name} = {size}{each}; allowed is a "
                "scheme without groups, or fewer GPUs where that is why"
            )


def check_gpus(source: Source, gpus: int, flag: str) -> None:
    """Raises BuildError when the model cannot be split so."""
    heads = source.config.heads
    if heads is not None and heads % gpus:
        raise BuildError(f"{flag} {gpus} does not divide {heads} heads")


def check_length(source: Source, tokens: int | None, flag: str) -> None:
    """Raises BuildError for more tokens than the model takes."""
    limit = source.config.context_length
    if tokens is not None and limit is not None and tokens > limit:
        raise BuildError(
            f"{flag} {tokens} is more than the model's {limit} tokens; allowed is at most that"
        )


def check_code(source: Source, trusted: bool, tool: str) -> None:
    """Raises BuildError for a model whose own code the tools would run unasked."""
    if source.config.has_code and not trusted:
        raise BuildError(
            f"{source.model} brings code of its own, which {tool} would run; read it, and add "
            "--trust-remote-code"
        )


def listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
