"""The contract between the service and an inference engine: token ids in, token ids out.

An adapter subclasses Engine in services/<backend>.py and imports its engine only inside `start`.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

from common.errors import StartError
from common.models.model import Model
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
    """Holds what is new since the last chunk, never what came before.

    `token_ids` holds the end token too, as the last id, when one ended the generation: it counts
    as a generated token and its text is never shown. An engine that gives no ids sets `text`, and
    `tokens` to how many it stands for. `logprobs` has one entry per id when asked for. The last
    chunk has a `finish_reason`.
    """

    token_ids: Sequence[int] = ()
    text: str | None = None
    logprobs: Sequence[TokenLogprob] | None = None
    finish_reason: FinishReason | None = None
    cached_tokens: int | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sequence to generate. `request_id` is unique in the process.

    A `probe` proves that the engine generates: what it generates does not matter.
    """

    request_id: str
    prompt_ids: Sequence[int]
    sampling: Sampling
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """`alive` False is final: only a restart of the service helps.

    `ready` False may pass by itself: a server that is being restarted, or cannot be reached.
    `kv_cache_usage` is a fraction, 0 to 1.
    """

    alive: bool
    reason: str = ""
    kv_cache_usage: float | None = None
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Tested:
    """Says what the engine's adapter has really been run with, for the table of backends.

    `cpu` and `gpu` name hardware and version; None is never. `contract` names what its calls are
    checked against where it cannot run.
    """

    cpu: str | None = None
    gpu: str | None = None
    contract: str | None = None


IN_PROCESS: Mapping[str, str] = {
    "engine_dir": "this engine loads the model's own files",
    "engine_url": "this engine runs inside the service",
    "start_timeout": "this engine loads inside the service, with no server to wait for",
}
"""Settings that have no meaning for an engine without compiled files or a server of its own."""


class Engine(ABC):
    """One engine, from before it runs until after. All methods are called on one event loop.

    `stop` is the end, and may come at any time relative to `start`, also more than once:

    - before it, nothing is done, and an engine with processes of its own refuses to start then;
    - during it, `start` ends soon, with an error where it has not been cancelled;
    - after it, however it ended: by itself, by an error, by being cancelled;
    - a second time it does nothing.

    When `stop` has returned, no process that the engine has started runs, no generation goes on,
    and none begins. A stopped engine is not started again.
    """

    name: ClassVar[str]
    """Of the module in services/, the extra and the folder in bentos/."""
    title: ClassVar[str]
    """The engine's own name."""
    release: ClassVar[str]
    """The engine's version that the adapter is written for."""
    interface: ClassVar[str]
    """How the adapter talks to the engine, in a few words."""
    tested: ClassVar[Tested]
    package: ClassVar[str | None] = None
    """The module whose absence means that the engine is not installed."""
    binary: ClassVar[str | None] = None
    """The program that it runs beside, or instead of, a package."""
    loads_weights: ClassVar[bool] = True
    """Whether the model's weights answer, and not something made up."""
    unsupported: ClassVar[Mapping[str, str]] = {}
    """Request field -> one sentence why this engine cannot honour it."""
    unsupported_settings: ClassVar[Mapping[str, str]] = IN_PROCESS
    """Setting -> one sentence why it may not be changed for this engine."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self.settings = settings
        self.model = model

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Checks what can be known before anything is loaded. Raises StartError, one line."""
        if cls.package is not None and importlib.util.find_spec(cls.package) is None:
            raise StartError(
                f"{cls.package} is not installed; install the extra {cls.name!r}: "
                f"pip install '.[{cls.name}]', or run scripts/serve {cls.name}"
            )
        cls.check_supported(settings)

    @classmethod
    def check_supported(cls, settings: Settings) -> None:
        """Checks what holds on every machine. Raises StartError, one line."""
        for name, reason in cls.unsupported_settings.items():
            if name in settings.changed:
                raise StartError(f"setting {name!r} has no effect with {cls.title}: {reason}")

    def gaps(self) -> Mapping[str, str]:
        """`unsupported`, or what is true of it under these settings."""
        return self.unsupported

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine's own version, for `/v1/models`."""

    @cached_property
    def quantization(self) -> str:
        """The scheme of the weights, for `/v1/models` and metrics: "none" for plain ones."""
        return self.model.load.scheme or self.model.quantization

    @abstractmethod
    async def start(self, report: Callable[[Phase], None]) -> None:
        """Return when generations work. Raises StartError for what the user can mend.

        Called at most once. `report` is called as each phase begins.
        """

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
        """End the engine and everything it started, whatever has become of `start`."""

    async def metrics(self) -> str:
        """The engine's own series in Prometheus text, when they are not in this process."""
        return ""
