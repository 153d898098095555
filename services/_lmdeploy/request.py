"""The translation of requests to LMDeploy and of its answers."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from common.engine import Chunk, FinishReason, TokenLogprob
from common.errors import ContextLengthExceeded, InternalError, InvalidValue, ServiceError
from common.sampling import Sampling
from services._lmdeploy.config import Backend, one_line

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
TURBOMIND_MAX_TOP_K = 1024
"""From src/turbomind/kernels/sampling_topk_kernels.cu: a larger one ends the process."""
TURBOMIND_MAX_ENDS = 32
"""From src/turbomind/generation/utils.h: those beyond are dropped with a warning."""


class LogitBias:
    """A logits processor of the PyTorch engine; its workers may get it by pickle."""

    def __init__(self, bias: Mapping[int, float]) -> None:
        self._ids = list(bias)
        self._values = list(bias.values())

    def __call__(self, token_ids: Any, logits: Any) -> Any:
        """`logits` are one sequence's, a tensor of the size of the vocabulary."""
        logits[self._ids] += logits.new_tensor(self._values)
        return logits


def generation_config(sampling: Sampling, backend: Backend, vocab_size: int, seed: int) -> Any:
    """Returns a GenerationConfig; `seed` is for a request without one. Raises InvalidValue."""
    from lmdeploy import GenerationConfig

    turbomind = backend == "turbomind"
    greedy = sampling.temperature == 0
    ends = sampling.end_token_ids
    if sampling.json_schema is not None and sampling.min_tokens:
        # Behind its last bracket a document allows the end token only: nothing would be left.
        raise InvalidValue(
            "min_tokens cannot be used with response_format: the end of the document is the end "
            "of the answer",
            param="min_tokens",
        )
    if turbomind:
        _check_turbomind(sampling, vocab_size)
    min_tokens = sampling.min_tokens if ends else 0
    if min_tokens and turbomind:
        # The min_new_tokens-th token may be the end here; elsewhere it is the next one.
        min_tokens += 1
    return GenerationConfig(
        max_new_tokens=sampling.max_tokens,
        min_new_tokens=min_tokens,
        # Without sampling LMDeploy drops the repetition penalty; one candidate is as greedy.
        do_sample=not greedy or sampling.repetition_penalty != 1,
        temperature=1.0 if greedy else sampling.temperature,
        top_p=1.0 if greedy else sampling.top_p,
        # More than the vocabulary is an error in both engines' kernels.
        top_k=1 if greedy else sampling.top_k if sampling.top_k < vocab_size else 0,
        min_p=0.0 if greedy else sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        random_seed=seed if sampling.seed is None else sampling.seed,
        stop_token_ids=sorted(ends) or None,
        # The PyTorch engine would forbid the tokens that it is to ignore.
        ignore_eos=turbomind and not ends and sampling.json_schema is None,
        # Else the end token is neither among the ids nor counted.
        include_stop_str_in_output=True,
        # 0 is none at all.
        logprobs=None if sampling.logprobs is None else max(sampling.logprobs, 1),
        logits_processors=[LogitBias(sampling.logit_bias)] if sampling.logit_bias else None,
        response_format=_response_format(sampling.json_schema),
    )


def _check_turbomind(sampling: Sampling, vocab_size: int) -> None:
    if TURBOMIND_MAX_TOP_K < sampling.top_k < vocab_size:
        raise InvalidValue(
            f"top_k is {sampling.top_k}; TurboMind takes at most {TURBOMIND_MAX_TOP_K}, or 0",
            param="top_k",
        )
    ends = sampling.end_token_ids
    if len(ends) > TURBOMIND_MAX_ENDS:
        raise InvalidValue(
            f"{len(ends)} tokens end the answer, the model's own among them; "
            f"TurboMind takes at most {TURBOMIND_MAX_ENDS}",
            param="stop_token_ids",
        )
    if sampling.min_tokens and 0 in ends:
        raise InvalidValue(
            "min_tokens cannot put off token id 0, one of those that end the answer: "
            "TurboMind takes 0 for none",
            param="min_tokens",
        )


def _response_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}


def restore_ends(prepared: Any, config: Any) -> None:
    """Let exactly the stop tokens of `config` end the answer.

    LMDeploy's `preprocess` has added the EOS of the model's files in `prepared`. They stay where
    a grammar ends the answer, by just that token, and where none of them is heeded.
    """
    if not config.ignore_eos and config.response_format is None:
        prepared.stop_token_ids = config.stop_token_ids or []


def chunk(output: Any, top_logprobs: int | None) -> Chunk:
    """Returns what is new in a GenOut. The last one of an answer has the end token, or none."""
    ids = output.token_ids
    logprobs = None
    if top_logprobs is not None:
        logprobs = [
            _token_logprob(token_id, entry, top_logprobs)
            for token_id, entry in zip(ids, output.logprobs or (), strict=True)
        ]
    if output.finish_reason is None:
        return Chunk(ids, logprobs=logprobs)
    reason = FINISH_REASONS.get(output.finish_reason)
    if reason is None:
        raise InternalError(f"LMDeploy ended the generation with {output.finish_reason!r}")
    return Chunk(ids, logprobs=logprobs, finish_reason=reason, cached_tokens=output.cached_tokens)


def _token_logprob(token_id: int, entry: Mapping[int, float], top_logprobs: int) -> TokenLogprob:
    """The chosen token is one more where it is not among the top."""
    ranked = sorted(entry.items(), key=itemgetter(1), reverse=True)
    return TokenLogprob(token_id, entry[token_id], ranked[:top_logprobs])


def client_error(error: Exception) -> ServiceError | None:
    """Returns LMDeploy's refusal of a request; None for a failure of its own."""
    from lmdeploy.serve.core import ErrorCode, RequestError

    if not isinstance(error, RequestError):
        return None
    if error.code in (ErrorCode.INVALID_REQUEST, ErrorCode.UNSUPPORTED_FEATURE):
        return InvalidValue(f"LMDeploy refuses the request: {one_line(error)}")
    if error.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED:
        return ContextLengthExceeded(f"LMDeploy refuses the request: {one_line(error)}")
    return None
