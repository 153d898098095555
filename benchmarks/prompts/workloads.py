"""Named workloads: prompts that share what those of real services share."""

import random
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.prompts.prompt_set import BadPrompts, Prompt
from benchmarks.prompts.sized_text import TextMaker
from benchmarks.prompts.token_counts import TokenCounter
from common.messages import nearest

FILE = Path(__file__).with_name("workloads.toml")


class WorkloadPart(BaseModel):
    """Requests of one kind, with lengths in tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(gt=0)
    input: int = Field(ge=1)
    output: int = Field(ge=1)


class Workload(BaseModel):
    """Says how long prompts and answers are, and what prompts share; workloads.toml explains it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    parts: tuple[WorkloadPart, ...] = Field(min_length=1)
    prefix: int = 0
    prefixes: int = 1
    turns: int = 1


@cache
def workloads() -> Mapping[str, Workload]:
    """Returns all of them by name."""
    values = tomllib.loads(FILE.read_text("utf-8"))
    return {name: Workload.model_validate(value) for name, value in values.items()}


def turns_of(name: str) -> int:
    """Returns the turns of its conversations; 1 for a name that is none."""
    return workloads()[name].turns if name in workloads() else 1


def workload_prompts(
    name: str, count: int, seed: int, tokenizer: TokenCounter
) -> tuple[Prompt, ...]:
    """Returns `count` prompts. Raises BadPrompts for a name that is none."""
    if name not in workloads():
        known = list(workloads())
        raise BadPrompts(f"there is no workload {name!r}{nearest(name, known)}: {', '.join(known)}")
    maker, workload = TextMaker(tokenizer), workloads()[name]
    return tuple(_prompt(workload, f"{seed}:{number}", number, maker) for number in range(count))


def _prompt(workload: Workload, name: str, number: int, maker: TextMaker) -> Prompt:
    shares = [part.share for part in workload.parts]
    (part,) = random.Random(name).choices(workload.parts, shares)
    turns = [maker.text(f"{name}:{turn}", part.input).strip() for turn in range(workload.turns)]
    system = None
    if workload.prefix:
        system = maker.text(f"prefix {number % workload.prefixes}", workload.prefix).strip()
    return Prompt.of(turns, part.output, system)
