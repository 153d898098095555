"""Prompts, and the order in which they are asked."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict

HASHED = 4096
"""Places of an order that its hash is made of."""


class Prompt(BaseModel):
    """`id` is a hash of the content. `turns` are what the user says in turn; `max_tokens` goes
    along where the source has one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    turns: tuple[str, ...]
    max_tokens: int | None = None

    @classmethod
    def of(cls, turns: Sequence[str], max_tokens: int | None = None) -> Self:
        content = "\0".join([*turns, str(max_tokens)])
        return cls(
            id=hashlib.sha256(content.encode()).hexdigest()[:16],
            turns=tuple(turns),
            max_tokens=max_tokens,
        )


class Order:
    """Endless: all prompts, each once, then all again in another order.

    Sorted by a hash of seed, round and content, so it is the same on every machine, for every
    backend, and whatever the order in the source.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        self._prompts = prompts
        self._seed = seed
        self._rounds: dict[int, list[Prompt]] = {}

    def __getitem__(self, index: int) -> Prompt:
        number, place = divmod(index, len(self._prompts))
        if number not in self._rounds:
            self._rounds[number] = sorted(self._prompts, key=lambda each: self._key(number, each))
        return self._rounds[number][place]

    def _key(self, number: int, prompt: Prompt) -> bytes:
        return hashlib.sha256(f"{self._seed}:{number}:{prompt.id}".encode()).digest()

    @cached_property
    def hash(self) -> str:
        """Of the first places: equal only for equal prompts in an equal order."""
        made = hashlib.sha256()
        for index in range(HASHED):
            made.update(self[index].id.encode())
        return made.hexdigest()[:16]


class PromptSet(BaseModel):
    """`skipped` counts what the source had and could not be used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    prompts: tuple[Prompt, ...]
    skipped: int = 0

    def order(self, seed: int) -> Order:
        return Order(self.prompts, seed)
