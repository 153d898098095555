"""The translation of requests to TensorRT-LLM and of its answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from common.engine import Chunk, FinishReason
from common.errors import EngineDead, InternalError, InvalidValue, ServiceError
from common.messages import one_line
from common.sampling import Limits, Sampling
from services._xgrammar.structural_tag import structural_tag

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
MAX_TOP_K = 1024
"""TOP_K_MAX of its C++ kernels, which silently take this for a larger one."""
LIMITS = Limits(ends_with_min_tokens=1)
"""From cpp/tensorrt_llm/kernels/penaltyKernels.cu: only `end_id` is kept from coming early."""
NO_END = -1
"""No token has this id: nothing ends the answer."""
ANY_OBJECT = {"type": "object"}
CUDA_ERROR = "CUDA error"
"""After one, a CUDA context is of no more use."""

NO_LOGPROBS = (
    "this release's C++ sampler gives none of alternatives, and its PyTorch sampler none of a "
    "chosen token that is not among the likeliest"
)
NO_SUCH_FIELD = "this release's PyTorch sampler ignores it: use the default sampler_type"
ONE_END_ONLY = "it can be kept from ending early by one token only, and this model ends by several"
NO_GRAMMAR = "engine_args names no guided decoding backend, or another one than xgrammar"
CPP_SAMPLER_GAPS: Mapping[str, str] = dict.fromkeys(("logprobs", "top_logprobs"), NO_LOGPROBS)
TORCH_SAMPLER_GAPS: Mapping[str, str] = {
    **CPP_SAMPLER_GAPS,
    **dict.fromkeys(
        ("repetition_penalty", "presence_penalty", "frequency_penalty", "min_p", "seed"),
        NO_SUCH_FIELD,
    ),
    "min_tokens": "this release's PyTorch sampler counts the prompt's tokens too",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A request's translation depends on it. `cpp` is the sampler that honours all fields."""

    cpp: bool
    vocab_size: int
    model_ends: frozenset[int]
    seeds: Random
    """For requests without a seed: TensorRT-LLM would take 0 for all of them."""


def sampling_params(sampling: Sampling, prompt_tokens: int, dialect: Dialect) -> Any:
    """Returns its SamplingParams. Raises InvalidValue for what it cannot honour, or would cut."""
    from tensorrt_llm import SamplingParams

    ends = sampling.end_token_ids
    if sampling.constrained:
        # When the document or call is done its grammar allows nothing but the model's end.
        ends |= dialect.model_ends
    end_id = min(ends & dialect.model_ends or ends, default=NO_END)
    _check(sampling)
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        end_id=end_id,
        pad_id=max(end_id, 0),
        stop_token_ids=sorted(ends - {end_id}) or None,
        # Otherwise a stop token would be taken out of the ids.
        include_stop_str_in_output=True,
        embedding_bias=_embedding_bias(sampling.logit_bias, dialect.vocab_size),
        guided_decoding=_guided_decoding(sampling),
        detokenize=False,
        **_choice(sampling, dialect),
        **(_penalties(sampling, prompt_tokens, dialect) if dialect.cpp else {}),
    )


def _embedding_bias(bias: Mapping[int, float], vocab_size: int) -> Any:
    """Returns a number for each token."""
    if not bias:
        return None
    import torch

    every = torch.zeros(vocab_size)
    every[list(bias)] = torch.tensor(list(bias.values()), dtype=every.dtype)
    return every


def _check(sampling: Sampling) -> None:
    if sampling.min_tokens and sampling.constrained:
        raise InvalidValue(
            "min_tokens: not allowed together with response_format or a forced tool_choice: the "
            "document or call ends by itself",
            param="min_tokens",
        )


def _choice(sampling: Sampling, dialect: Dialect) -> dict[str, Any]:
    """Returns how a token is chosen. Fields that are None together would mean greedy."""
    if sampling.temperature == 0:
        return {"temperature": 1.0, "top_p": 1.0, "top_k": 1}
    top_k = 0 if sampling.top_k >= dialect.vocab_size else sampling.top_k
    if dialect.cpp and top_k > MAX_TOP_K:
        raise InvalidValue(
            f"top_k: {top_k} is more than TensorRT-LLM can choose among; allowed is at most "
            f"{MAX_TOP_K}, or the whole vocabulary",
            param="top_k",
        )
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": top_k}


def _penalties(sampling: Sampling, prompt_tokens: int, dialect: Dialect) -> dict[str, Any]:
    """Returns penalties, where None leaves a kernel out.

    They are subtracted from logits that were divided by the temperature before, unlike elsewhere.
    """
    scale = sampling.temperature or 1.0
    seed = dialect.seeds.getrandbits(63) if sampling.seed is None else sampling.seed % 2**64
    counts = sampling.presence_penalty or sampling.frequency_penalty
    return {
        "seed": seed,
        "min_p": None if sampling.temperature == 0 else sampling.min_p or None,
        # By default it is 1 as soon as any other request has set it. Without an end token the
        # kernel would write before its logits.
        "min_tokens": sampling.min_tokens if sampling.end_token_ids else 0,
        "repetition_penalty": None
        if sampling.repetition_penalty == 1
        else sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty / scale or None,
        "frequency_penalty": sampling.frequency_penalty / scale or None,
        # Otherwise these two would count the prompt's tokens.
        "prompt_ignore_length": prompt_tokens if counts else None,
    }


def _guided_decoding(sampling: Sampling) -> Any:
    """Its `json_object` would also allow an array."""
    from tensorrt_llm.llmapi import GuidedDecodingParams

    tag = structural_tag(sampling)
    if tag is not None:
        return GuidedDecodingParams(structural_tag=json.dumps(tag))
    if sampling.json_schema is None:
        return None
    return GuidedDecodingParams(json=dict(sampling.json_schema))


def chunk(result: Any, params: Any, *, has_cached_tokens: bool) -> Chunk:
    """Returns what is new in the RequestOutput, which is the same object each time."""
    output = result.outputs[0]
    ids: list[int] = output.token_ids_diff
    if output.finish_reason is None:
        return Chunk(ids)
    reason = FINISH_REASONS.get(output.finish_reason)
    if reason is None:
        raise InternalError(f"TensorRT-LLM ended the generation with {output.finish_reason!r}")
    # Not of `ids`: the last result may bring none.
    last: list[int] = output.token_ids[-1:]
    if reason == "stop" and output.stop_reason is None and last != [params.end_id]:
        # The C++ sampler leaves out the end token itself, not the other stop tokens.
        ids = [*ids, params.end_id]
    elif reason == "length" and last and last[0] in (params.stop_token_ids or ()):
        # Both are true of a stop token that is the last one.
        reason = "stop"
    cached = int(result.cached_tokens) if has_cached_tokens else None
    return Chunk(ids, finish_reason=reason, cached_tokens=cached)


def failure(error: Exception) -> ServiceError:
    """Returns what a client is told when TensorRT-LLM gives up one request."""
    message = one_line(error)
    if CUDA_ERROR in message:
        return EngineDead(f"TensorRT-LLM met a {message}")
    return InternalError(f"TensorRT-LLM failed: {type(error).__name__}: {message}")
