"""What a study file may say. Times are in seconds."""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from common.secrets import HUB_TOKEN, NO_SECRETS

DEMO = "demo"
"""The model that lies in this repository."""
SECRET = re.compile(r"key|token(?!izer)|secret|password|passwd|credential", re.IGNORECASE)
NONE = "none"
AUTO = "auto"
"""The quantization that a service chooses when nobody asks for one."""


def _url(value: str) -> str:
    if not re.match(r"https?://[^/\s@]+(/\S*)?$", value):
        text = "has to be like http://host:8000, without a user or a password"
        raise PydanticCustomError("url", "{text}", {"text": text})
    return value


URL = Annotated[str, AfterValidator(_url)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


def a_list(value: Any) -> Any:
    """Strictness about types takes no list for a tuple."""
    return tuple(value) if isinstance(value, list) else value


def one_or_many(value: Any) -> Any:
    return a_list(value) if isinstance(value, list | tuple) or value is None else (value,)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The nearest of the known ones and all of them, to end a sentence with."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{hint}; allowed are: {', '.join(known)}"


Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many), Field(min_length=1)]
Counts = Annotated[
    tuple[Annotated[int, Field(ge=1, le=100_000)], ...],
    BeforeValidator(one_or_many),
    Field(min_length=1),
]


class Part(BaseModel):
    """A mapping of the file: nothing but its fields."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, protected_namespaces=(), allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, value: Any) -> Any:
        """With a message that pydantic's own lacks: which one was meant."""
        if not isinstance(value, dict):
            allowed = ", ".join(cls.model_fields)
            raise PydanticCustomError(
                "not_a_mapping", "{text}", {"text": f"has to be a mapping with any of {allowed}"}
            )
        for name in value:
            if name not in cls.model_fields:
                text = f"is no field here{did_you_mean(name, cls.model_fields)}"
                raise PydanticCustomError("no_field", "{text}", {"text": text, "at": name})
        return value


class Prompts(Part):
    """`source` as benchmarks.prompts reads it; the limits are of a prompt's length.

    `tokenizer` is a directory or hub id, for an endpoint that counts no tokens.
    """

    source: str = "builtin"
    min_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    min_words: int | None = Field(None, ge=1)
    max_words: int | None = Field(None, ge=1)
    tokenizer: str | None = Field(None, min_length=1)
    count: int | None = Field(None, ge=1)


class Limits(Part):
    """A request within all of them counts for the goodput."""

    ttft: Seconds | None = None
    tpot: Seconds | None = None
    end_to_end: Seconds | None = None


class Load(Part):
    """`users` of a closed loop, or `rate` in requests per second of an open one.

    `engine` is the program that makes the load.
    """

    engine: Literal["load", "aiperf"] = "load"
    mode: Literal["closed", "poisson", "constant"] = "closed"
    users: Counts | None = None
    rate: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...] | None, BeforeValidator(one_or_many)
    ] = Field(None, min_length=1)
    duration: Seconds = 300
    ramp: float = Field(20, ge=0, le=86400)
    window: Seconds = 5
    warm_up: int = Field(8, ge=0, le=100_000, description="requests before the run")
    drain: float = Field(30, ge=0, le=86400)
    timeout: Seconds = 600
    max_tokens: int | None = Field(None, ge=1)
    ignore_eos: bool = False
    temperature: float | None = Field(None, ge=0, le=2)
    turns: int = Field(1, ge=1, le=100)
    procs: int = Field(1, ge=1, le=256)
    protocol: Literal["generate", "chat", "completions"] = "chat"

    @model_validator(mode="before")
    @classmethod
    def _no_ramp_of_an_open_loop(cls, value: Any) -> Any:
        opened = isinstance(value, dict) and value.get("mode", "closed") != "closed"
        return {"ramp": 0, **value} if opened else value

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        """As a client would refuse it, cell by cell."""
        opened, spoken = self.mode != "closed", self.protocol == "chat"
        few = min(self.users or (self.procs,))
        wrong = {
            ("ramp", f"the mode {self.mode!r} has no users to spawn, so no ramp"): (
                opened and self.ramp > 0
            ),
            ("procs", f"{self.procs} processes cannot share {few} users"): self.procs > few,
            ("turns", "several turns need the protocol 'chat' and the mode 'closed'"): (
                self.turns > 1 and (opened or not spoken)
            ),
            ("engine", "aiperf takes one turn, and the protocol 'chat' or 'completions'"): (
                self.engine == "aiperf" and (self.turns > 1 or self.protocol == "generate")
            ),
        }
        for (name, text), holds in wrong.items():
            if holds:
                raise PydanticCustomError("load", "{text}", {"text": text, "at": name})
        return self

    @model_validator(mode="after")
    def _one_kind_of_loop(self) -> Self:
        wanted, other = ("users", "rate") if self.mode == "closed" else ("rate", "users")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            text = f"the mode {self.mode!r} takes {wanted!r} and not {other!r}"
            raise PydanticCustomError("loop", "{text}", {"text": text})
        if self.ramp >= self.duration:
            text = f"the ramp ({self.ramp:g} s) has to be shorter than the duration"
            raise PydanticCustomError("ramp", "{text}", {"text": text, "at": "ramp"})
        return self


class Model(Part):
    """`name` is what results are compared by; `model` a directory or hub id, else the name is."""

    name: str = Field(min_length=1)
    model: str | None = Field(None, min_length=1)

    @property
    def source(self) -> str | None:
        """For the setting `model`; None is the demo model."""
        if self.model is None:
            return None if self.name == DEMO else self.name
        return self.model


def _named(value: Any) -> Any:
    return tuple({"name": m} if isinstance(m, str) else m for m in one_or_many(value) or ())


Models = Annotated[tuple[Model, ...], BeforeValidator(_named), Field(min_length=1)]


def may_be_secret(name: str, value: str) -> bool:
    """Of an environment variable: rather one too many, for a study file is passed around."""
    named = SECRET.search(name) is not None and NO_SECRETS.search(name.lower()) is None
    address = "://" in value and "@" in value
    return named or address or HUB_TOKEN.search(value) is not None


class Target(Part):
    """A backend of ours or an endpoint, and what is different for it from the rest of the study.

    `variables` are environment variables of its service; `key_variable` names the one with the key
    of an endpoint, and `reset_cache` the path that makes it forget prompts.
    """

    backend: str | None = None
    url: URL | None = None
    label: str | None = Field(None, min_length=1)
    protocol: Literal["generate", "chat", "completions"] | None = None
    settings: dict[str, Any] = {}
    variables: dict[str, str] = {}
    models: Models | None = None
    quantization: Names | None = None
    system_prompt: Names | None = None
    users: Counts | None = None
    repeats: int | None = Field(None, ge=1, le=1000)
    price_per_hour: float | None = Field(None, gt=0)
    metrics_url: URL | None = None
    key_variable: str | None = Field(None, min_length=1)
    reset_cache: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_kind_of_target(self) -> Self:
        if (self.backend is None) == (self.url is None):
            text = "needs either 'backend', one of ours, or 'url', an endpoint that runs"
            raise PydanticCustomError("target", "{text}", {"text": text})
        for name, value in self.variables.items():
            if may_be_secret(name, value):
                text = f"the variable {name} may be a secret: set it when you start instead"
                raise PydanticCustomError("target", "{text}", {"text": text, "at": "variables"})
        if self.url is not None:
            for name in ("settings", "variables"):
                if getattr(self, name):
                    text = "nothing is started for a 'url', so it has no effect"
                    raise PydanticCustomError("target", "{text}", {"text": text, "at": name})
        for name in ("key_variable", "reset_cache"):
            if self.url is None and getattr(self, name) is not None:
                text = "is of a 'url': what is started for a study is fresh, and has its own keys"
                raise PydanticCustomError("target", "{text}", {"text": text, "at": name})
        return self

    @property
    def name(self) -> str:
        return self.label or self.backend or str(self.url).partition("//")[2].rstrip("/")


class Match(Part):
    """Cells that have all of these."""

    backend: str | None = None
    model: str | None = None
    quantization: str | None = None
    users: int | None = None
    rate: float | None = None
    system_prompt: str | None = None
    repeat: int | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("match", "would exclude every cell")
        return self


class Study(Part):
    """The whole file."""

    name: str = Field(min_length=1)
    load: Load
    backends: Annotated[tuple[Target, ...], BeforeValidator(a_list)] = Field(min_length=1)
    models: Models = (Model(name=DEMO),)
    quantization: Names = (AUTO,)
    system_prompt: Names = (NONE,)
    prompts: Annotated[
        Prompts, BeforeValidator(lambda v: {"source": v} if isinstance(v, str) else v)
    ] = Prompts()
    settings: dict[str, Any] = {}
    seed: int = Field(0, ge=0, lt=2**31)
    repeats: int = Field(1, ge=1, le=1000)
    order: Literal["shuffled", "interleaved", "listed"] = "shuffled"
    limits: Limits = Limits()
    price_per_hour: float | None = Field(None, gt=0)
    start_timeout: Seconds = 1800
    share_service: bool = False
    exclude: Annotated[tuple[Match, ...], BeforeValidator(a_list)] = ()
