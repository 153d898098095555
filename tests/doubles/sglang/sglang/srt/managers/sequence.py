"""One request in the scheduler: options for the generator, tokens back into SGLang's terms."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from tests.doubles.generation import DemoGenerator, Handle, Options, Token

from ..sampling.sampling_params import SamplingParams
from .io_struct import TokenIDOutput, TokenizedGenerateReqInput

Deliver = Callable[["Running", Token | Exception], None]
ORIGINAL_LOGPROB = "SGLANG_RETURN_ORIGINAL_LOGPROB"
UNSEEDED = 42


def abort(message: str, status_code: int | None = None) -> dict[str, Any]:
    return {"type": "abort", "message": message, "status_code": status_code, "err_type": None}


class Running:
    """A request that is being generated."""

    def __init__(
        self,
        request: TokenizedGenerateReqInput,
        end_ids: set[int],
        *,
        deterministic: bool,
        cached_tokens: int,
    ) -> None:
        self.request = request
        self._end_ids = end_ids
        self._deterministic = deterministic
        self._cached_tokens = cached_tokens
        self._generated: list[int] = []
        self._handle: Handle | None = None
        raw = os.environ.get(ORIGINAL_LOGPROB, "").lower() in ("1", "true")
        params = request.sampling_params
        # Not normalized: enough to tell it from what should have been.
        self._scale = 1.0 if raw or params.top_k == 1 else params.temperature

    @property
    def tokens(self) -> int:
        """For which there is room in the KV cache."""
        params = self.request.sampling_params
        return len(self.request.input_ids) + (params.max_new_tokens or 0)

    def start(self, generator: DemoGenerator, deliver: Deliver) -> None:
        """Raises ValueError for a schema that is none."""
        params = self.request.sampling_params
        left = (params.max_new_tokens or 0) - len(self._generated)
        self._handle = generator.submit(
            [*self.request.input_ids, *self._generated],
            self._options(params, left),
            lambda token: deliver(self, token),
        )

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.abort()

    def _options(self, params: SamplingParams, left: int) -> Options:
        seed = None
        if self._deterministic:
            assert params.min_p == 0, "With sampling seed, min_p gives wrong results"
            seed = UNSEEDED if params.sampling_seed is None else params.sampling_seed
        assert params.repetition_penalty == 1, "here it would look at the prompt too"
        suppressed = len(self._generated) < params.min_new_tokens
        schema = None if params.json_schema is None else json.loads(params.json_schema)
        ends = self._end_ids if schema is not None or suppressed or not params.ignore_eos else ()
        return Options(
            max_tokens=left,
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k if params.top_k < 1 << 30 else 0,
            min_p=params.min_p,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            seed=seed,
            min_tokens=0 if schema is not None else params.min_new_tokens - len(self._generated),
            end_ids=frozenset(ends),
            logit_bias={int(key): value for key, value in (params.logit_bias or {}).items()},
            json_schema=schema,
            top_logprobs=self.request.top_logprobs_num,
        )

    def output(self, token: Token | None, reason: dict[str, Any] | None) -> TokenIDOutput:
        """What the step made of this request: `token`, or only the end of it."""
        if token is not None:
            self._generated.append(token.id)
            reason = self._finish(token)
        with_logprobs = self.request.return_logprob and token is not None
        return TokenIDOutput(
            rid=self.request.rid,
            output_ids=[token.id] if token is not None else [],
            logprobs=[(token.logprob / self._scale, token.id)] if with_logprobs and token else [],
            top_logprobs=[self._top(token)] if with_logprobs and token else [],
            finished_reason=reason,
            prompt_tokens=len(self.request.input_ids),
            completion_tokens=len(self._generated),
            cached_tokens=self._cached_tokens,
        )

    def must_go_on(self, token: Token) -> bool:
        """Where the generator was told of end tokens only so that it suppressed them."""
        return token.finish is not None and self._finish(token) is None

    def _top(self, token: Token) -> list[tuple[float, int]]:
        return [(logprob / self._scale, other) for other, logprob in token.top]

    def _finish(self, token: Token) -> dict[str, Any] | None:
        params = self.request.sampling_params
        count = len(self._generated)
        over = token.finish == "stop" and params.json_schema is not None
        if over and count <= params.min_new_tokens:
            return abort("Grammar accept_token failed", 500)
        if over or (token.id in self._end_ids and not params.ignore_eos):
            return {"type": "stop", "matched": token.id}
        if count >= (params.max_new_tokens or 0):
            return {"type": "length", "length": count}
        return None


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for position, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return position
    return min(len(first), len(second))
