"""The work that one HTTP request gives to the engine, and its results so far."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.sampling import Sampling
from common.serving.answer import Answer


@dataclass(slots=True)
class Job:
    """A request for `n` answers to each prompt; answers are numbered prompt by prompt.

    Times are in seconds, by time.perf_counter; those of tokens are 0 until there is one.
    """

    request_id: str
    prompts: Sequence[Sequence[int]]
    sampling: Sampling
    n: int = 1
    stops: Sequence[str] = ()
    arrived: float = field(default_factory=time.perf_counter)
    answers: list[Answer] = field(default_factory=list)
    cached_tokens: int | None = None
    limit: asyncio.Timeout | None = None
    first_token: float = 0.0
    last_token: float = 0.0

    @property
    def prompt_tokens(self) -> int:
        return sum(map(len, self.prompts))

    @property
    def completion_tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)
