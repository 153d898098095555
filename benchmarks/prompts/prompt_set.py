"""Prompts, and the order in which they are sent."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict

HASHED_PROMPTS = 4096
"""How many of an order's prompts its hash is made of."""


class BadPrompts(ValueError):
    """A source gives no prompts; the message is one line and names it."""


class Prompt(BaseModel):
    """`id` is a hash of the content. `turns` are the user's messages; `max_tokens` is the source's
    own limit, where it has one, and `system` a system prompt that it shares with some others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    turns: tuple[str, ...]
    max_tokens: int | None = None
    system: str | None = None

    @classmethod
    def of(
        cls, turns: Sequence[str], max_tokens: int | None = None, system: str | None = None
    ) -> Self:
        """Returns the prompt with its id."""
        content = "\0".join([*turns, str(max_tokens), *([] if system is None else [system])])
        return cls(
            id=hashlib.sha256(content.encode()).hexdigest()[:16],
            turns=tuple(turns),
            max_tokens=max_tokens,
            system=system,
        )


class Order:
    """An endless sequence: all prompts, each once, then all again in another order.

    It is sorted by a hash of seed, round and content, so it is the same on every machine, for every
    backend, and whatever the order in the source.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        self._prompts = prompts
        self._seed = seed
        self._rounds: dict[int, list[Prompt]] = {}

    def __getitem__(self, index: int) -> Prompt:
        number, position = divmod(index, len(self._prompts))
        if number not in self._rounds:
            self._rounds[number] = sorted(self._prompts, key=lambda each: self._key(number, each))
        return self._rounds[number][position]

    def _key(self, number: int, prompt: Prompt) -> bytes:
        return hashlib.sha256(f"{self._seed}:{number}:{prompt.id}".encode()).digest()

    @cached_property
    def hash(self) -> str:
        """The hash of the first prompts, equal only for equal prompts in an equal order."""
        digest = hashlib.sha256()
        for index in range(HASHED_PROMPTS):
            digest.update(self[index].id.encode())
        return digest.hexdigest()[:16]


class RecordedOrder(Order):
    """The order in which a trace has its prompts; after the last it begins again."""

    def __getitem__(self, index: int) -> Prompt:
        return self._prompts[index % len(self._prompts)]


class TraceRequest(BaseModel):
    """A request as a trace has it: `at` in seconds from the first one. `blocks` are the hashes of
    the blocks of its prompt, where those were recorded; equal ones are of equal content."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: float
    input_tokens: int
    output_tokens: int
    blocks: tuple[int, ...] = ()


class PromptSet(BaseModel):
    """`skipped` counts the prompts of the source that could not be used. A `trace` has the request
    of each prompt, in the order of their times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    prompts: tuple[Prompt, ...]
    skipped: int = 0
    trace: tuple[TraceRequest, ...] = ()

    def order(self, seed: int) -> Order:
        """Returns the order in which a run with this seed sends the prompts."""
        if self.trace:
            return RecordedOrder(self.prompts, seed)
        return Order(self.prompts, seed)

    @property
    def times(self) -> tuple[float, ...]:
        """The seconds at which a trace has its requests."""
        return tuple(request.at for request in self.trace)
