"""What one run of load is asked to do: every field, default and rule of it, each once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from benchmarks.prompts.sources import TRACE, WORKLOAD
from benchmarks.prompts.workloads import turns_of
from benchmarks.words import counted
from common.messages import nearest

KEY = "LLM_API_KEY"
"""The environment variable with the key, which so stands in no list of processes and no result."""
DAY = 86400
USUAL_RAMP, USUAL_USERS = 20.0, 10
Mode = Literal["closed", "poisson", "constant", "trace"]
Protocol = Literal["generate", "chat", "completions"]


class LoadFailed(Exception):
    """A run has no result; the message is one line that says why."""


@dataclass(frozen=True)
class Flag:
    """Says how the command line spells a field, where it is not by the field's own name."""

    name: str | None = None
    metavar: str | None = None


def mistake(text: str, at: str | None = None) -> PydanticCustomError:
    """Returns an error of validation with this message; `at` names the field that it is about,
    where the model as a whole is checked."""
    return PydanticCustomError("mistake", "{text}", {"text": text} | ({"at": at} if at else {}))


def as_tuple(value: Any) -> Any:
    """Returns a tuple of a list, which strict types do not take for one."""
    return tuple(value) if isinstance(value, list) else value


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Returns the nearest of the known names and all of them, to end a sentence with."""
    known = list(known)
    return f"{nearest(str(name), known)}; allowed are: {', '.join(known)}"


def _checked_url(url: str) -> str:
    """Returns the URL. A result names it, so it may hold no secret."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in url):
        raise mistake("has to be like http://localhost:3000")
    if parts.username is not None or parts.password is not None:
        raise mistake(f"has a user or a password in it: a key comes from {KEY}")
    return url


def _without_version(url: str) -> str:
    """Returns the address of the server, to which each protocol adds its own path."""
    return url.rstrip("/").removesuffix("/v1")


Url = Annotated[str, AfterValidator(_checked_url)]
BaseUrl = Annotated[Url, AfterValidator(_without_version)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Users = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[float, Field(gt=0)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Price = Annotated[float, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, le=DAY)]
SecondsFromZero = Annotated[float, Field(ge=0, le=DAY)]
WarmUp = Annotated[int, Field(ge=0, le=100_000), Flag("--warmup", "N")]


class Part(BaseModel):
    """A mapping with nothing but its fields, whose values are of the fields' own types."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, value: Any) -> Any:
        """Says which field was meant, which pydantic's own message does not."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise mistake(f"has to be a mapping with any of {', '.join(cls.model_fields)}")
        for name in value:
            if name not in cls.model_fields:
                raise mistake(f"is no field here{did_you_mean(name, cls.model_fields)}", at=name)
        return value


class PromptSelection(Part):
    """Says which prompts are asked. The limits are of the length of a prompt's first turn."""

    source: Annotated[str, Flag("--prompts")] = Field(
        "builtin",
        description="builtin, dolly, sharegpt:FILE, synthetic:N, workload:NAME, trace:FILE, FILE",
    )
    min_tokens: Annotated[Count | None, Flag("--min-prompt-tokens")] = Field(
        None, description="shorter ones are left out"
    )
    max_tokens: Annotated[Count | None, Flag("--max-prompt-tokens")] = Field(
        None, description="longer ones are left out"
    )
    min_words: Annotated[Count | None, Flag("--min-prompt-words")] = Field(
        None, description="shorter ones are left out"
    )
    max_words: Annotated[Count | None, Flag("--max-prompt-words")] = Field(
        None, description="longer ones are left out"
    )
    tokenizer: Annotated[Name | None, Flag("--tokenizer")] = Field(
        None, description="directory or hub id; the endpoint's own, by POST /tokenize"
    )
    count: Annotated[Count | None, Flag("--prompt-count")] = Field(
        None, description="how many are kept, chosen by the seed; all"
    )


class Limits(Part):
    """Seconds; a request within all of them counts for the goodput."""

    ttft: Annotated[Seconds | None, Flag("--ttft-limit")] = Field(
        None, description="for goodput and --sweep"
    )
    tpot: Annotated[Seconds | None, Flag("--tpot-limit")] = Field(
        None, description="for goodput and --sweep"
    )
    end_to_end: Annotated[Seconds | None, Flag("--end-to-end-limit")] = Field(
        None, description="for goodput and --sweep"
    )


def _usual_ramp(fields: dict[str, Any]) -> float:
    duration: float = fields["duration"]
    return min(USUAL_RAMP, duration / 3) if fields["mode"] == "closed" else 0.0


def _usual_users(fields: dict[str, Any]) -> int | None:
    return USUAL_USERS if fields["mode"] == "closed" else None


class LoadShape(Part):
    """A load but for its level and for the endpoint on which it is put. Times are in seconds.

    `duration` has the ramp in it; latencies are those of its rest, the plateau. Requests in flight
    at its end are waited for up to `drain`.
    """

    engine: Literal["load", "aiperf"] = Field("load", description="that makes the load")
    mode: Mode = Field("closed", description="closed: users who wait for answers; else open")
    protocol: Protocol = Field("chat", description="of the endpoint")
    duration: Seconds = Field(300, description="the ramp included")
    ramp: SecondsFromZero = Field(
        default_factory=_usual_ramp,
        description=f"in which the users come ({USUAL_RAMP:g}, at most a third of the duration)",
    )
    window: Seconds = Field(5, description="in which rates are told")
    warm_up: WarmUp = Field(0, description="requests before the run")
    drain: SecondsFromZero = Field(30, description="for what is in flight at the end")
    timeout: Seconds = Field(600, description="of a request")
    max_tokens: Count | None = Field(None, description="of an answer")
    ignore_eos: bool = Field(False, description="generate max-tokens, whatever the model says")
    temperature: Temperature | None = Field(None, description="of sampling; the endpoint's own")
    turns: int = Field(1, ge=1, le=100, description="of a conversation, at most")
    procs: int = Field(1, ge=1, le=256, description="client processes")
    trace_speed: float = Field(1, gt=0, description="of a trace, times that of its recording")


class Spec(LoadShape):
    """One run of load on one endpoint.

    In a closed loop each of `users` sends the next request when it has the answer; in an open one
    requests come at `rate` per second, and nobody waits for anybody.
    """

    url: Annotated[BaseUrl, Flag(metavar="URL")] = Field(description="http://localhost:3000")
    model: Name | None = Field(None, description="as the endpoint names it; its first one")
    users: Users | None = Field(
        default_factory=_usual_users, description=f"of a closed loop ({USUAL_USERS})"
    )
    rate: Rate | None = Field(None, description="requests per second of an open loop")
    seed: int = Field(0, description="of the order of prompts and of arrivals")
    system_prompt: str | None = Field(None, description="the text, or @FILE")
    prompts: PromptSelection = PromptSelection()
    limits: Limits = Limits()
    reset_cache: Annotated[Name | None, Flag(metavar="PATH")] = Field(
        None, description="POST it after the warm-up: /flush_cache of SGLang"
    )
    ray: Annotated[Name | None, Flag(metavar="ADDRESS")] = Field(
        None, description="of a Ray cluster, over which the processes are spread; or local"
    )
    metrics_url: Url | None = Field(
        None, description="sampled beside the run; URL/metrics where there is one"
    )
    pid: int | None = Field(None, description="root of the service's processes on this machine")
    price_per_hour: Price | None = Field(None, description="of the machine, for the cost of tokens")
    gpus: Count | None = Field(
        None, description="that the service takes, for the rate of each; those of this machine"
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        self._check_level()
        opened, users = self.mode != "closed", self.users or self.procs
        without_effect = f"has no effect with --engine {self.engine}"
        is_trace, source = self.mode == "trace", self.prompts.source
        talk = source.startswith(WORKLOAD) and turns_of(source.removeprefix(WORKLOAD)) > 1
        rules = (
            ("mode", is_trace != source.startswith(TRACE),
             "the mode trace and the prompts trace:FILE need each other"),
            ("trace_speed", not is_trace and self.trace_speed != 1, "is of the mode trace"),
            ("turns", talk and self.turns == 1,
             f"{source} has conversations: say how many turns, more than 1"),
            ("ramp", self.ramp >= self.duration,
             f"the ramp, {self.ramp:g} s, has to be shorter than the duration"),
            ("ramp", opened and self.ramp > 0,
             f"the mode {self.mode} has no users to spawn, so no ramp"),
            ("procs", self.procs > users,
             f"{self.procs} processes cannot share {counted(users, 'user')}"),
            ("turns", self.turns > 1 and (opened or self.protocol != "chat"),
             "several turns need the protocol chat and the mode closed"),
            ("ray", self.engine != "load" and self.ray is not None, without_effect),
            ("reset_cache", self.engine != "load" and self.reset_cache is not None, without_effect),
        )  # fmt: skip
        for name, broken, text in rules:
            if broken:
                raise mistake(text, at=name)
        return self

    def _check_level(self) -> None:
        takes = {"closed": "users", "trace": None}.get(self.mode, "rate")
        given = [name for name in ("users", "rate") if getattr(self, name) is not None]
        if given != ([takes] if takes else []):
            other = " and ".join(name for name in ("users", "rate") if name != takes)
            what = f"{takes} and not {other}" if takes else "neither users nor a rate"
            raise mistake(f"the mode {self.mode} takes {what}")

    def for_result(self, prompts: str) -> Self:
        """Returns the spec as a result keeps it: without folders and processes of this machine.
        `prompts` is the name of their source."""
        tokenizer = self.prompts.tokenizer
        if tokenizer is not None and Path(tokenizer).is_absolute():
            tokenizer = Path(tokenizer).name
        selection = self.prompts.model_copy(update={"source": prompts, "tokenizer": tokenizer})
        return self.model_copy(update={"prompts": selection, "pid": None})
