"""The work that one HTTP request gives to the engine, and its results so far."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.keys.account import Account
from common.models.adapters import Adapter
from common.prompt_images import PromptImages
from common.sampling import Sampling
from common.serving.admission import Party
from common.serving.answer import PLAIN, Answer, Shown
from common.text.marks import HiddenTokens
from common.text.reasoning import Thinking


@dataclass(slots=True)
class Job:
    """A request for `n` answers to each prompt; answers are numbered prompt by prompt.

    `client` is whose request it is, for a fair share of the engine. `images` are those of the only
    prompt, where it has some. `thinking` says how reasoning may come in the answers, None where
    none is looked for. `hidden` are the special tokens that texts have marks for, None where no
    tool calls are looked for. Its tokens go on `account`, if there is one; what comes in the
    `background` waits while other work does. It is `admitted` when its first sequence gets a place
    in the engine. Times are in seconds, by time.perf_counter, and 0 until then.
    """

    request_id: str
    prompts: Sequence[Sequence[int]]
    sampling: Sampling
    n: int = 1
    stops: Sequence[str] = ()
    shown: Shown = PLAIN
    thinking: Thinking | None = None
    account: Account | None = None
    adapter: Adapter | None = None
    background: bool = False
    images: PromptImages | None = None
    hidden: HiddenTokens | None = None
    arrived: float = field(default_factory=time.perf_counter)
    answers: list[Answer] = field(default_factory=list)
    cached_tokens: int | None = None
    client: str = ""
    party: Party = field(default_factory=lambda: Party(""))
    limit: asyncio.Timeout | None = None
    admitted: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0

    @property
    def prompt_tokens(self) -> int:
        return sum(map(len, self.prompts))

    @property
    def completion_tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def reasoning_tokens(self) -> int:
        return sum(answer.reasoning_tokens for answer in self.answers)
