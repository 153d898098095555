"""The contract between the service and an inference engine: token ids in, token ids out.

An adapter subclasses Engine in services/<backend>.py and imports its engine only inside `start`.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

from common.errors import StartError
from common.json_schema import SchemaSupport
from common.machine import Need, check_machine
from common.models.adapters import Adapter
from common.models.model import Model
from common.prompt_images import PromptImages
from common.sampling import Limits, Sampling
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
    chunk has a `finish_reason`. The first one has `prompt_logprobs` when asked for: an entry per
    token of the prompt, None for the first, which nothing comes before.
    """

    token_ids: Sequence[int] = ()
    text: str | None = None
    logprobs: Sequence[TokenLogprob] | None = None
    finish_reason: FinishReason | None = None
    cached_tokens: int | None = None
    tokens: int = 0
    prompt_logprobs: Sequence[TokenLogprob | None] | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sequence to generate. `request_id` is unique in the process.

    `prompt_ids` have a placeholder for each token that an image takes. `adapter` is the one that
    changes the model's answer, None for the model alone. A `probe` proves that the engine
    generates: what it generates does not matter.
    """

    request_id: str
    prompt_ids: Sequence[int]
    sampling: Sampling
    probe: bool = False
    adapter: Adapter | None = None
    images: PromptImages | None = None


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """One text of at most max_model_len tokens to make a vector of; the rest is as in a
    GenerateRequest."""

    request_id: str
    token_ids: Sequence[int]
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
    """Says what the engine's adapter was run with by hand, for the table of backends.

    `cpu` and `gpu` name hardware and version; None is never, or where a recorded proof says it.
    `contract` names what its calls are checked against where it cannot run.
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
ADAPTER_SETTINGS = ("adapters", "adapter_loading", "max_adapters", "max_adapter_rank")
"""Settings that have no meaning for an engine without LoRA adapters."""
LOADING_SETTINGS = ("adapter_loading", "max_adapters")
"""Those that have none for an engine whose adapters come with the model only."""


OPTIONAL: Mapping[str, str] = {
    "regex": "its adapter cannot hold an answer to a regular expression",
    "grammar": "its adapter cannot hold an answer to a grammar",
    "allowed_token_ids": "its adapter cannot leave the choice to some tokens only",
    "bad_words": "its adapter cannot keep words from being chosen",
    "cache_salt": "its adapter cannot keep callers apart in the prefix cache",
    "priority": "its adapter hands requests over in the order of their arrival",
    "prompt_logprobs": "its adapter cannot tell log-probabilities of the prompt's tokens",
    "images": "its adapter hands over token ids only",
}
"""What few engines honour of a request, each with why an engine that names none does not."""


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
    tested: ClassVar[Tested] = Tested()
    package: ClassVar[str | None] = None
    """The module whose absence means that the engine is not installed."""
    binary: ClassVar[str | None] = None
    """The program that it runs beside, or instead of, a package."""
    needs: ClassVar[Collection[Need]] = ()
    """What it takes from the machine: looked for where there is an NVIDIA GPU."""
    loads_weights: ClassVar[bool] = True
    """Whether the model's weights answer, and not something made up."""
    unsupported: ClassVar[Mapping[str, str]] = {}
    """Request field -> one sentence why this engine cannot honour it."""
    optional: ClassVar[Collection[str]] = ()
    """Those of OPTIONAL that this engine honours."""
    schemas: ClassVar[SchemaSupport | None] = None
    """What its grammar compiler enforces of a JSON schema; None where it has no `response_format`.
    """
    reasons_before_forms: ClassVar[bool] = False
    """Whether its grammars let the text of Sampling.reasoning come before a form."""
    no_embeddings: ClassVar[str | None] = "its adapter generates only"
    """Why `embed` is not there, None where it is."""
    unsupported_settings: ClassVar[Mapping[str, str]] = {
        **IN_PROCESS,
        **dict.fromkeys(ADAPTER_SETTINGS, "its adapter hands no LoRA adapters over"),
    }
    """Setting -> one sentence why it may not be changed for this engine; `speculative=METHOD` for a
    method of that setting."""

    adapter_gaps: ClassVar[Mapping[str, str]] = {}
    """Field of an adapter_config.json -> one sentence why the engine takes no adapter with it."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self.settings = settings
        self.model = model

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Checks what can be known before anything is loaded. Raises StartError, one line."""
        cls.check_supported(settings)
        cls.check_here(settings)

    @classmethod
    def check_here(cls, settings: Settings) -> None:
        """Checks whether the engine and what it needs are on this machine. Raises StartError."""
        if cls.package is not None and importlib.util.find_spec(cls.package) is None:
            raise StartError(
                f"{cls.package} is not installed; install the extra {cls.name!r}: "
                f"pip install '.[{cls.name}]', or run scripts/serve {cls.name}"
            )
        check_machine(cls.needed(settings), settings)

    @classmethod
    def needed(cls, settings: Settings) -> Collection[Need]:
        """Returns `needs`, or what is true of it under these settings."""
        return cls.needs

    @classmethod
    def check_supported(cls, settings: Settings) -> None:
        """Checks what holds on every machine. Raises StartError, one line."""
        speculative = settings.speculative
        method = speculative and f"speculative={speculative.method}"
        for name, reason in cls.unsupported_settings.items():
            if name in settings.changed:
                raise StartError(f"setting {name!r} has no effect with {cls.title}: {reason}")
            if name == method:
                raise StartError(
                    f"setting 'speculative': {speculative} is not for {cls.title}: {reason}"
                )

    @classmethod
    def check_task(cls, model: Model) -> None:
        """Raises StartError for a model that is to make vectors where the engine makes none."""
        if model.task == "embed" and cls.no_embeddings is not None:
            raise StartError(
                f"setting 'task': {model.served_name} is to embed, and {cls.title} does not: "
                f"{cls.no_embeddings}"
            )

    def gaps(self) -> Mapping[str, str]:
        """`unsupported`, or what is true of it under these settings."""
        return self.unsupported

    def limits(self) -> Limits:
        """Returns what the engine takes at most in one request under these settings."""
        return Limits()

    def all_gaps(self) -> Mapping[str, str]:
        """Returns every field that this engine cannot honour, with the reason."""
        absent = {name: why for name, why in OPTIONAL.items() if name not in self.optional}
        return {**absent, **self.gaps()}

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine's own version, for `/v1/models`."""

    @cached_property
    def quantization(self) -> str:
        """The scheme of the weights, for `/v1/models` and metrics: "none" for plain ones."""
        scheme, stored = self.model.load.scheme, self.model.quantization
        return stored if scheme is None or stored.startswith(f"{scheme}-") else scheme

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

    async def embed(self, request: EmbedRequest) -> Sequence[float]:
        """Returns the vector of a text as `model.embedding` pools it, whole and not normalized.

        Cancelling the task that awaits it aborts the work. Raises as `generate` does. Called only
        where the model's task is to embed; `generate` is not called there.
        """
        raise NotImplementedError

    @abstractmethod
    async def health(self) -> Health:
        """Cheap: no forward pass."""

    @abstractmethod
    async def stop(self) -> None:
        """End the engine and everything it started, whatever has become of `start`."""

    async def load_adapter(self, adapter: Adapter) -> None:
        """Take an adapter while generations go on. Raises InvalidValue for one that it refuses.

        An engine without `adapter_loading` among its unsupported settings has this and
        `unload_adapter`. Those of `self.model.adapters` it takes in `start`.
        """
        raise NotImplementedError

    async def unload_adapter(self, adapter: Adapter) -> None:
        """Let go of an adapter, of which no generation is running and none will begin."""
        raise NotImplementedError

    async def metrics(self) -> str:
        """The engine's own series in Prometheus text, when they are not in this process."""
        return ""
