"""The translation of requests to LMDeploy and of its answers."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from common.engine import Chunk, FinishReason, TokenLogprob
from common.errors import ContextLengthExceeded, InternalError, InvalidValue, ServiceError
from common.sampling import Limits, Sampling
from services._lmdeploy.config import Backend, one_line
from services._xgrammar.structural_tag import structural_tag

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
TURBOMIND_MAX_TOP_K = 1024
"""From src/turbomind/kernels/sampling_topk_kernels.cu: a larger one ends the process."""
TURBOMIND_LIMITS = Limits(ends=32)
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
    if sampling.constrained and sampling.min_tokens:
        # Behind its end a grammar allows the end token only: nothing would be left.
        raise InvalidValue(
            "min_tokens cannot be used with response_format or a forced tool_choice: the end of "
            "the document or call is the end of the answer",
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
        ignore_eos=turbomind and not ends and not sampling.constrained,
        # Else the end token is neither among the ids nor counted.
        include_stop_str_in_output=True,
        # 0 is none at all.
        logprobs=None if sampling.logprobs is None else max(sampling.logprobs, 1),
        logits_processors=[LogitBias(sampling.logit_bias)] if sampling.logit_bias else None,
        response_format=_response_format(sampling, backend),
    )


def scoring_config(top_logprobs: int) -> Any:
    """Returns a GenerationConfig with which the PyTorch engine generates nothing, and tells how
    likely each token of the prompt is but the first: it does so in a request of its own only."""
    from lmdeploy import GenerationConfig

    return GenerationConfig(max_new_tokens=0, logprobs=top_logprobs, logprob_start_len=0)


def _check_turbomind(sampling: Sampling, vocab_size: int) -> None:
    if TURBOMIND_MAX_TOP_K < sampling.top_k < vocab_size:
        raise InvalidValue(
            f"top_k is {sampling.top_k}; TurboMind takes at most {TURBOMIND_MAX_TOP_K}, or 0",
            param="top_k",
        )
    if sampling.min_tokens and 0 in sampling.end_token_ids:
        raise InvalidValue(
            "min_tokens cannot put off token id 0, one of those that end the answer: "
            "TurboMind takes 0 for none",
            param="min_tokens",
        )


def _response_format(sampling: Sampling, backend: Backend) -> dict[str, Any] | None:
    tag = structural_tag(sampling)
    if tag is not None or sampling.json_schema is None:
        return tag
    schema = dict(sampling.json_schema)
    if backend == "pytorch":
        # A plain schema would let a model go on with white space for ever.
        content = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}
        return {"type": "structural_tag", "format": content}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


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


def prompt_logprobs(
    prompt_ids: Sequence[int], output: Any, top_logprobs: int
) -> list[TokenLogprob | None]:
    """Returns an entry per token of the prompt of the GenOut that ends a request for scores."""
    entries = zip(prompt_ids[1:], output.logprobs, strict=True)
    return [None, *(_token_logprob(token_id, entry, top_logprobs) for token_id, entry in entries)]


def _token_logprob(token_id: int, entry: Mapping[int, float], top_logprobs: int) -> TokenLogprob:
    """The chosen token is one more where it is not among the top."""
    ranked = sorted(entry.items(), key=itemgetter(1), reverse=True)
    return TokenLogprob(token_id, entry[token_id], ranked[:top_logprobs])


def tell_lack_of_memory(llm: Any) -> None:
    """Let it be seen in the error of a request that the KV cache cannot hold its prompt.

    TurboMind gives up a request so when no other is left to end before it; LMDeploy would raise an
    internal error without a reason.
    """
    from lmdeploy.messages import ResponseType
    from lmdeploy.serve.core import ErrorCode, RequestError

    as_before = llm._request_error_from_status

    def error(status: Any) -> Any:
        if status == ResponseType.OUT_OF_MEMORY:
            message = "the prompt does not fit into its KV cache"
            return RequestError(ErrorCode.CONTEXT_LENGTH_EXCEEDED, message)
        return as_before(status)

    llm._request_error_from_status = error


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
