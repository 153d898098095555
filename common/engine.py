"""The contract between the service and an inference engine: token ids in, token ids out.

An adapter subclasses Engine in services/<backend>.py and imports its engine only inside `start`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from common.model import Model
from common.sampling import Sampling
from common.settings import Settings

FinishReason = Literal["stop", "length"]
Phase = Literal["download", "load", "compile", "warm-up"]


class TokenLogprob(NamedTuple):
    """Natural-log probability of a chosen token; `top` has the likeliest (id, logprob) first."""

    token_id: int
    logprob: float
    top: Sequence[tuple[int, float]]


class Chunk(NamedTuple):
    """What is new since the last chunk, never what came before.

    `token_ids` holds the end token too, as the last id, when one ended the generation: it counts
    as a generated token and its text is never shown. `text` is set only by engines that give no
    ids. `logprobs` has one entry per id when asked for. The last chunk has a `finish_reason`.
    """

    token_ids: Sequence[int] = ()
    text: str | None = None
    logprobs: Sequence[TokenLogprob] | None = None
    finish_reason: FinishReason | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sequence to generate. `request_id` is unique in the process."""

    request_id: str
    prompt_ids: Sequence[int]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Health:
    """`alive` False is final: only a restart helps. `kv_cache_usage` is a fraction, 0 to 1."""

    alive: bool
    reason: str = ""
    kv_cache_usage: float | None = None


class Engine(ABC):
    """One running engine. All methods are called on one event loop."""

    name: ClassVar[str]
    package: ClassVar[str | None] = None
    """The module whose absence means that the engine is not installed; also the extra's name."""
    unsupported: ClassVar[Mapping[str, str]] = {}
    """Request field -> one sentence why this engine cannot honour it."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self.settings = settings
        self.model = model

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine's own version, for `/v1/models`."""

    @abstractmethod
    async def start(self, report: Callable[[Phase], None]) -> None:
        """Return when generations work. Raises StartError for what the user can mend."""

    @abstractmethod
    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Yield chunks until one has a finish reason.

        Closing the iterator, or cancelling the task that awaits it, aborts the generation in the
        engine. Raises InvalidValue for what the engine refuses, EngineDead when it is gone.
        """

    @abstractmethod
    async def health(self) -> Health:
        """Cheap: no forward pass."""

    @abstractmethod
    async def stop(self) -> None:
        """End the engine and everything it started; safe to call when `start` failed."""

    async def metrics(self) -> str:
        """The engine's own series in Prometheus text, when they are not in this process."""
        return ""
