"""What a run is asked to do."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from benchmarks.results.schema import Load

KEY = "LLM_API_KEY"
"""The environment variable with the key, which so stands in no list of processes and no result."""
Mode = Literal["closed", "poisson", "constant"]
Protocol = Literal["generate", "chat", "completions"]


class Spec(BaseModel):
    """Times in seconds, `rate` in requests per second. `duration` has the ramp in it; latencies are
    those of its rest, the plateau. Requests in flight at its end are waited for up to `drain`.

    In a closed loop each of `users` sends the next request when it has the answer; in an open one
    requests come at `rate`, and nobody waits for anybody.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    url: str
    model: str | None = None
    protocol: Protocol = "chat"
    mode: Mode = "closed"
    users: int | None = Field(None, ge=1)
    rate: float | None = Field(None, gt=0)
    ramp: float = Field(0.0, ge=0)
    duration: float = Field(gt=0)
    window: float = Field(5.0, gt=0)
    warmup: int = Field(0, ge=0)
    drain: float = Field(30.0, ge=0)
    timeout: float = Field(600.0, gt=0)
    max_tokens: int | None = Field(None, ge=1)
    ignore_eos: bool = False
    temperature: float | None = Field(None, ge=0)
    system_prompt: str | None = None
    turns: int = Field(1, ge=1)
    procs: int = Field(1, ge=1)
    seed: int = 0
    ttft_limit: float | None = Field(None, gt=0)
    tpot_limit: float | None = Field(None, gt=0)
    end_to_end_limit: float | None = Field(None, gt=0)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        """A result names it, so it may hold no secret."""
        try:
            parts = urlsplit(url)
            whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            whole = False
        if not whole:
            raise ValueError("has to be like http://localhost:3000")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"has a user or a password in it: a key comes from {KEY}")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wanted, other = ("users", "rate") if self.mode == "closed" else ("rate", "users")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"the mode {self.mode} takes {wanted} and not {other}")
        if self.ramp >= self.duration:
            raise ValueError(f"the ramp, {self.ramp:g} s, has to be shorter than the duration")
        if self.mode != "closed" and self.ramp:
            raise ValueError(f"the mode {self.mode} has no users to spawn, so no ramp")
        if self.users is not None and self.procs > self.users:
            raise ValueError(f"{self.procs} processes cannot share {self.users} users")
        if self.turns > 1 and (self.protocol != "chat" or self.mode != "closed"):
            raise ValueError("several turns need the protocol chat and the mode closed")
        return self

    @property
    def load(self) -> Load:
        """As a result keeps it."""
        return Load.model_validate(self.model_dump(include=set(Load.model_fields)))
