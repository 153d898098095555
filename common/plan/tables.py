"""The tables of the schemes that engines load: quantization.toml in the folder beside an adapter.

services/_<name>/quantization.toml belongs to the engine of that name; an engine without one takes
plain weights only.
"""

import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

FILE = "quantization.toml"
DEMO = "the demo model"
FOLDER = Path(__file__).parents[2] / "services"
How = Literal["loading", "checkpoint", "build", "as stored", "never"]


@dataclass(frozen=True, slots=True)
class SchemeRow:
    """One scheme. Names are ours unless said otherwise; `{model}` in a text is the user's model.

    `how` an engine comes by it: it quantizes while "loading"; a "checkpoint" has to be quantized
    so; something has to be compiled first, a "build"; "as stored" stands for all that its `formats`
    hold; "never" is refused with `refusal`, and `instead` says what would work.
    `engine` and `aliases` are the engine's own names. `formats` are those of checkpoints, `format`
    what it makes of plain weights; `from_plain` False says that a build needs such a checkpoint.
    `dtype` is the number format that the engine computes in on a GPU beside such weights, whatever
    the model names; "own" is the engine's own choice, see `bfloat16_models`.
    `serves` are other schemes whose checkpoints may have this form. `minimum` and `maximum` are
    compute capabilities. `models` are the model types that it takes, `when` the engine_args that
    it needs, `arguments` those that go with it. `expands` says that weights take their plain size
    in memory. `build` is the command that compiles, `makes` those that make a checkpoint, by the
    scheme that is asked of it.
    """

    name: str
    how: How
    source: str
    engine: str | None = None
    aliases: Sequence[str] = ()
    serves: Sequence[str] = ()
    formats: Sequence[str] = ()
    format: str = "plain"
    dtype: str | None = None
    from_plain: bool = True
    minimum: float = 0.0
    maximum: float | None = None
    cpu: bool = False
    group_sizes: Sequence[int] = ()
    act_order: bool = True
    symmetric_only: bool = False
    models: Sequence[str] = ()
    when: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    expands: bool = False
    build: str | None = None
    makes: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None
    instead: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a user may give it."""
        own = () if self.engine is None else (self.engine,)
        return (self.name, *own, *self.aliases)


@dataclass(frozen=True, slots=True)
class CacheRow:
    """One number format of the KV cache, see SchemeRow."""

    name: str
    source: str
    arguments: Mapping[str, Any]
    aliases: Sequence[str] = ()
    minimum: float = 0.0
    cpu: bool = False
    when: Mapping[str, Any] = field(default_factory=dict)
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """An engine. `share` says of what gpu_memory_utilization is a fraction, and `fraction` is the
    engine's own where the setting is left alone. `minimum` and `bfloat16_minimum` are compute
    capabilities. `bfloat16_models` are the model types for which an engine that chooses by type
    takes bfloat16; for others it takes float16. `keeps_float32` is for engines that do not make 16
    bits of it, `frees_windows` for those that drop from the cache what has left a sliding window,
    `expands_latent` for those that keep MLA's keys and values. On a CPU the cache has
    `cpu_kv_cache_gib`, or room for one sequence and at least `cpu_kv_cache_tokens`, and
    `cpu_numbers` more for each token. `compiled` is for those that run only
    what was compiled before. `refuses` are settings of common/plan/parallel.py that the engine does
    not have, or `speculative=METHOD`, `only_with` those that it has with these engine_args only,
    and with `experts_across_copies` copies of the model share one set of experts. `own_4bit` is
    taken when plain weights do not fit. `elsewhere` is an engine_arg that takes the engine to other
    machines, `engine_args` are defaults that rows ask for, `not_judged` engine_args with which
    sizes are not known before.
    """

    name: str
    title: str
    release: str
    source: str
    schemes: tuple[SchemeRow, ...]
    caches: tuple[CacheRow, ...] = ()
    share: Literal["of_total", "of_free"] = "of_total"
    fraction: float | None = None
    minimum: float = 0.0
    bfloat16_minimum: float = 0.0
    bfloat16_models: Sequence[str] = ()
    cpu: bool = False
    cpu_kv_cache_gib: float = 1.0
    cpu_kv_cache_tokens: int | None = None
    cpu_numbers: int = 0
    keeps_float32: bool = False
    frees_windows: bool = False
    expands_latent: bool = False
    refuses: Sequence[str] = ()
    only_with: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    experts_across_copies: bool = False
    compiled: bool = False
    own_4bit: str | None = None
    elsewhere: str | None = None
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    not_judged: Sequence[str] = ()

    def active(self, row: SchemeRow | CacheRow, engine_args: Mapping[str, Any]) -> bool:
        """Returns whether the engine, with these arguments, has the row."""
        given = {**self.engine_args, **engine_args}
        return all(given.get(name) == value for name, value in row.when.items())


def table(name: str, title: str, folder: Path = FOLDER) -> Table:
    """Returns the engine's table, or one for plain weights only."""
    file = folder / f"_{name}" / FILE
    if file.is_file():
        return _read(file, name)
    plain = SchemeRow("none", "loading", "an engine without a table", cpu=True)
    return Table(name, title, "", "none", (plain,), cpu=True)


def tables(folder: Path = FOLDER) -> list[Table]:
    """Returns the table of every engine that has one, and whose adapter is here: a bento has one
    adapter, and may have another's table."""
    files = sorted(folder.glob(f"_*/{FILE}"))
    every = [_read(file, file.parent.name.removeprefix("_")) for file in files]
    return [table for table in every if (folder / f"{table.name}.py").is_file()]


@cache
def _read(file: Path, name: str) -> Table:
    values = tomllib.loads(file.read_text("utf-8"))
    schemes = tuple(SchemeRow(**row) for row in values.pop("quantization"))
    caches = tuple(CacheRow(**row) for row in values.pop("kv_cache_dtype", ()))
    return Table(name, schemes=schemes, caches=caches, **values)


def given(engine_args: Mapping[str, Any], path: str) -> bool:
    """Returns whether a dotted name is set; launchers' flags may be written with dashes."""
    first, _, rest = path.partition(".")
    for name in (first, first.replace("-", "_")):
        value = engine_args.get(name)
        if value is not None:
            return not rest or (isinstance(value, dict) and given(value, rest))
    return False


def contains(engine_args: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """Returns whether all of `arguments` is set so already."""
    for name, value in arguments.items():
        own = engine_args.get(name, engine_args.get(name.replace("-", "_")))
        inner = isinstance(value, dict) and isinstance(own, dict)
        if not (contains(own, value) if inner else own == value):
            return False
    return True


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns both together, objects in objects too; `over` wins."""
    both = dict(under)
    for name, value in over.items():
        below = both.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            value = merged(below, value)
        both[name] = value
    return both


def fill(text: str, model: str) -> str:
    """Returns a command or sentence with the user's model in it; builders take the demo model
    unnamed."""
    if model == DEMO:
        return text.replace(" --model {model}", "")
    return text.replace("{model}", shlex.quote(model))


def names(rows: Sequence[SchemeRow]) -> Iterator[str]:
    """Yields the names that a user may ask for, our names first."""
    seen: set[str] = set()
    for row in rows:
        usable = row.how not in ("never", "as stored")
        for name in (row.name, *row.serves) if usable else ():
            if name not in seen:
                seen.add(name)
                yield name
