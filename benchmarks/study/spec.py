"""What a study file may say. Times are in seconds."""

import itertools
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from benchmarks.load.spec import (
    BaseUrl,
    Count,
    Limits,
    LoadShape,
    Name,
    Part,
    Price,
    PromptSelection,
    Protocol,
    Rate,
    Seconds,
    Spec,
    Url,
    Users,
    WarmUp,
    as_tuple,
    mistake,
)
from benchmarks.load.sweep_spec import SweepSettings, SweepSpec
from benchmarks.quality.tasks import Tasks
from common.secrets import HUB_TOKEN, NO_SECRETS

DEMO = "demo"
"""The model that lies in this repository."""
SECRET = re.compile(r"key|token(?!izer)|secret|password|passwd|credential", re.IGNORECASE)
NONE = "none"
AUTO = "auto"
"""The quantization that a service chooses when nobody asks for one."""
NOT_STARTED = "http://localhost"
"""Stands for the URL of a service until it is started."""


def one_or_many(value: Any) -> Any:
    return as_tuple(value) if isinstance(value, list | tuple) or value is None else (value,)


def _models(value: Any) -> Any:
    return tuple({"name": m} if isinstance(m, str) else m for m in one_or_many(value) or ())


Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many), Field(min_length=1)]
UserCounts = Annotated[tuple[Users, ...], BeforeValidator(one_or_many), Field(min_length=1)]
Rates = Annotated[tuple[Rate, ...], BeforeValidator(one_or_many), Field(min_length=1)]
Repeats = Annotated[int, Field(ge=1, le=1000)]


CHANGES = {"url", "protocol", "price_per_hour", "gpus", "metrics_url", "reset_cache"}
"""Fields of a load that a target may have of its own; and `users`."""


class StudyLoad(LoadShape):
    """The load of a study, a run for each of `users` in a closed loop, or of `rate` in an open."""

    users: UserCounts | None = None
    rate: Rates | None = None
    warm_up: WarmUp = 8


class StudyModel(Part):
    """`name` is what results are compared by; `model` a directory or hub id, else the name is, or
    one for each quantization of the study."""

    name: Name
    model: Name | dict[str, Name] | None = None

    @property
    def source(self) -> str | None:
        """The value of the setting `model`; None is the demo model."""
        if self.model is None:
            return None if self.name == DEMO else self.name
        assert isinstance(self.model, str), "a cell has the model of its quantization"
        return self.model

    def of(self, quantization: str) -> "StudyModel":
        """Returns the model with the checkpoint of a quantization. Raises KeyError without one."""
        if not isinstance(self.model, dict):
            return self
        return self.model_copy(update={"model": self.model[quantization]})


Command = Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Models = Annotated[tuple[StudyModel, ...], BeforeValidator(_models), Field(min_length=1)]


def may_be_secret(name: str, value: str) -> bool:
    """Returns whether an environment variable may be one: rather one too many, for a study file is
    passed around."""
    named = SECRET.search(name) is not None and NO_SECRETS.search(name.lower()) is None
    address = "://" in value and "@" in value
    return named or address or HUB_TOKEN.search(value) is not None


class StudyTarget(Part):
    """A backend of ours, another server or an endpoint, and what is different for it from the rest
    of the study.

    `command` starts another server, in the environment of `backend` where that is given; {python},
    {port} and {model} stand for what is known only then, and `ready_path` answers 200 when it is
    ready. `series` tells apart entries of one backend, such as defaults and tuned settings.
    `variables` are environment variables of what is started; `key_variable` names the one
    with the key of an endpoint, and `reset_cache` the path that makes it forget prompts.
    """

    backend: str | None = None
    command: Command | None = None
    ready_path: Name | None = None
    url: BaseUrl | None = None
    label: Name | None = None
    series: Name | None = None
    protocol: Protocol | None = None
    settings: dict[str, Any] = {}
    variables: dict[str, str] = {}
    models: Models | None = None
    quantization: Names | None = None
    system_prompt: Names | None = None
    users: UserCounts | None = None
    repeats: Repeats | None = None
    price_per_hour: Price | None = None
    gpus: Count | None = None
    metrics_url: Url | None = None
    key_variable: Name | None = None
    reset_cache: Name | None = None

    @model_validator(mode="after")
    def _one_kind_of_target(self) -> Self:
        if (self.backend is None and self.command is None) == (self.url is None):
            raise mistake(
                "needs either 'backend', one of ours, or 'command', which starts another server, "
                "or 'url', an endpoint that runs"
            )
        if self.command is None and self.ready_path is not None:
            raise mistake("is of a 'command': the others have /readyz", at="ready_path")
        if self.command is not None:
            if self.label is None:
                raise mistake("needs a 'label' beside its 'command'")
            if not any("{port}" in word for word in self.command):
                raise mistake("has to say where {port} goes", at="command")
            if self.settings:
                raise mistake("no service of ours is started, so it has no effect", at="settings")
        for name, value in self.variables.items():
            if may_be_secret(name, value):
                text = f"the variable {name} may be a secret: set it when you start instead"
                raise mistake(text, at="variables")
        if self.url is not None:
            for name in ("settings", "variables"):
                if getattr(self, name):
                    text = "nothing is started for a 'url', so it has no effect"
                    raise mistake(text, at=name)
        for name in ("key_variable", "reset_cache"):
            if self.url is None and getattr(self, name) is not None:
                text = "is of a 'url': what is started for a study is fresh, and has its own keys"
                raise mistake(text, at=name)
        return self

    @property
    def is_ours(self) -> bool:
        """Returns whether it is a service of ours, which takes settings."""
        return self.backend is not None and self.command is None

    @property
    def name(self) -> str:
        """Returns what results call it: two series of a backend are two of them."""
        name = self.label or self.backend or str(self.url).partition("//")[2].rstrip("/")
        return name if self.series is None else f"{name}, {self.series}"


class Needs(Part):
    """What a study takes that this repository does not bring. `gpu` names one for a reader,
    `gpu_gib` is the memory that each of `gpus` must have; `models` has the GiB that the hub sends
    of each."""

    gpu: Name | None = None
    gpu_gib: Annotated[float, Field(gt=0)] | None = None
    gpus: Count = 1
    models: dict[str, Annotated[float, Field(gt=0)]] = {}


class Exclusion(Part):
    """Leaves out the cells that have all of these."""

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
            raise mistake("would exclude every cell")
        return self


class StudyFile(Part):
    """The whole file: a load, and the axes along which it is put on targets."""

    name: Name
    load: StudyLoad
    backends: Annotated[tuple[StudyTarget, ...], BeforeValidator(as_tuple)] = Field(min_length=1)
    models: Models = (StudyModel(name=DEMO),)
    quantization: Names = (AUTO,)
    system_prompt: Names = (NONE,)
    prompts: Annotated[
        PromptSelection, BeforeValidator(lambda v: {"source": v} if isinstance(v, str) else v)
    ] = PromptSelection()
    settings: dict[str, Any] = {}
    seed: int = Field(0, ge=0, lt=2**31)
    repeats: Repeats = 1
    order: Literal["shuffled", "interleaved", "listed"] = "shuffled"
    quality: Tasks = ()
    needs: Needs = Needs()
    limits: Limits = Limits()
    sweep: SweepSettings | None = None
    price_per_hour: Price | None = None
    start_timeout: Seconds = 1800
    share_service: bool = False
    pinned: bool = False
    exclude: Annotated[tuple[Exclusion, ...], BeforeValidator(as_tuple)] = ()

    @model_validator(mode="after")
    def _one_level_of_a_sweep(self) -> Self:
        users = [self.load.users, *(target.users for target in self.backends)]
        if self.sweep is not None and any(len(each or ()) > 1 for each in (*users, self.load.rate)):
            raise mistake("begins at one level: give one number of users, or one rate", at="sweep")
        return self

    def loads(self, target: StudyTarget | None = None) -> Iterator[Spec]:
        """Yields the load of each level, as the target changes it. Raises ValidationError where a
        client would refuse it."""
        kind, more = Spec, {}
        if self.sweep is not None:
            kind, more = SweepSpec, {"sweep": self.sweep}
        changes = {} if target is None else target.model_dump(include=CHANGES, exclude_none=True)
        users = (None if target is None else target.users) or self.load.users or (None,)
        for count, rate in itertools.product(users, self.load.rate or (None,)):
            yield kind.model_validate(
                {
                    **more,
                    **self.load.model_dump(),
                    "url": NOT_STARTED,
                    "seed": self.seed,
                    "prompts": self.prompts,
                    "limits": self.limits,
                    "price_per_hour": self.price_per_hour,
                    **changes,
                    "users": count,
                    "rate": rate,
                }
            )
