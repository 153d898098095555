"""What goes between the processes."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from ..sampling.sampling_params import SamplingParams


@dataclass(kw_only=True)
class AbortReq:
    rid: str | None = None
    http_worker_ipc: str | None = None
    abort_all: bool = False
    finished_reason: dict[str, Any] | None = None
    abort_message: str | None = None
    weight_versions: Any = None

    def __post_init__(self) -> None:
        self.rid = self.rid or ""


@dataclass
class ShutdownReq:
    pass


@dataclass(kw_only=True)
class GenerateReqInput:
    """One request of one prompt in token ids; nothing else is used here."""

    input_ids: list[int]
    sampling_params: dict[str, Any]
    rid: str
    stream: bool = False
    return_logprob: bool = False
    top_logprobs_num: int = 0

    def normalize_batch_and_arguments(self) -> None:
        if not self.input_ids:
            raise ValueError("input_ids cannot be empty.")
        if not isinstance(self.input_ids[0], int):
            raise ValueError("this double takes one prompt at a time")
        self.rid = self.rid or uuid.uuid4().hex
        self.sampling_params = self.sampling_params or {}
        self.top_logprobs_num = self.top_logprobs_num or 0


@dataclass(kw_only=True)
class TokenizedGenerateReqInput:
    rid: str
    input_ids: list[int]
    sampling_params: SamplingParams
    return_logprob: bool
    top_logprobs_num: int
    stream: bool


@dataclass(kw_only=True)
class TokenIDOutput:
    """What is new of one request."""

    rid: str
    output_ids: list[int]
    logprobs: list[tuple[float, int]]
    top_logprobs: list[list[tuple[float, int]]]
    finished_reason: dict[str, Any] | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


@dataclass
class BatchTokenIDOutput:
    """What one step made."""

    items: list[TokenIDOutput] = field(default_factory=list)
