"""schemes.toml and families.toml: what MLC-LLM compiles."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from build_scripts.builder import Source
from common.text.template_files import read_templates

HERE = Path(__file__).parent
GROUP, AWQ, FT, BLOCKS = "group-quant", "awq", "ft-quant", "block-scale-quant"


class CompiledScheme(NamedTuple):
    """A row of schemes.toml, which says what each field means."""

    kind: str
    group: int = 0
    device: str | None = None
    minimum: float = 0.0
    refusal: str | None = None
    calibration: str | None = None
    activations: str | None = None


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text("utf-8"))


SCHEMES: Mapping[str, CompiledScheme] = {
    n: CompiledScheme(**row) for n, row in _read("schemes.toml").items()
}
_FAMILIES = _read("families.toml")
KINDS: Mapping[str, tuple[str, ...]] = {
    family: tuple(row["kinds"]) for row in _FAMILIES["kinds"] for family in row["model_types"]
}
"""Model type -> the kinds of quantization that MLC-LLM has for it."""
TEMPLATES: tuple[str, ...] = tuple(_FAMILIES["templates"]["names"])


def schemes_of(family: str) -> list[str]:
    """Returns those that need no checkpoint of their own."""
    kinds = set(KINDS[family]) - {AWQ, BLOCKS}
    return [n for n, scheme in SCHEMES.items() if scheme.kind in kinds and not scheme.refusal]


def template(source: Source) -> str | None:
    """Returns the conversation template for a model, None where none is known."""
    own = "".join(read_templates(source.path, source.config.tokenizer).values())
    if not own:
        return str(_FAMILIES["templates"]["plain"])
    for row in _FAMILIES["template"]:
        if source.config.whole_type in row["model_types"] and row.get("mark", "") in own:
            return str(row["name"])
    return None
