"""schemes.toml and families.toml: what TensorRT-LLM 1.2 compiles."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
VERSION = "1.2.1"
"""The last stable release that compiles engines: 1.3.0rc20 ended it."""
NONE, AUTO = "none", "auto"


class EngineScheme(NamedTuple):
    """A row of schemes.toml, which says what each field means."""

    source: str
    minimum: float
    qformat: str = ""
    weight_only: str | None = None
    calibrates: bool = False
    samples: int | None = None
    group: int = 0
    checkpoint: str | None = None
    groups: Sequence[int] = ()
    generations: Sequence[int] = ()
    fp8_attention: bool = False

    def runs_on(self, capability: float) -> bool:
        known = not self.generations or int(capability) in self.generations
        return known and capability >= self.minimum

    @property
    def needs(self) -> str:
        """The GPUs that it needs, in words."""
        least = f"compute capability {self.minimum}"
        if not self.generations:
            return f"{least} or more"
        among = ", ".join(f"{number}.x" for number in self.generations)
        return f"{least} or more, among {among}"


class Family(NamedTuple):
    """A row of families.toml, which says what each field means."""

    converter: str
    schemes: Sequence[str]
    source: str
    checkpoints: Sequence[str] = ()
    gpus: str = "--tp_size"
    workers: bool = True
    extra: Sequence[str] = ()


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text("utf-8"))


SCHEMES: Mapping[str, EngineScheme] = {
    n: EngineScheme(**row) for n, row in _read("schemes.toml").items()
}
FAMILIES: Mapping[str, Family] = {
    model_type: Family(**{name: value for name, value in row.items() if name != "model_types"})
    for row in _read("families.toml")["family"]
    for model_type in row["model_types"]
}
