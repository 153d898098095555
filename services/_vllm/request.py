"""The translation of requests to vLLM and of its answers, in Python and as JSON of its server."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from common.engine import Chunk, FinishReason, TokenLogprob
from common.errors import EngineDead, InternalError, InvalidValue, ServiceError
from common.messages import one_line
from common.sampling import Sampling

WARM_UP = Sampling(
    max_tokens=2, top_p=0.9, top_k=8, min_p=0.01, repetition_penalty=1.1, logprobs=1, seed=0
)
"""Takes the paths that compile something when they are first used."""
FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "repetition": "stop",
}


def sampling_values(sampling: Sampling) -> dict[str, Any]:
    """Returns what SamplingParams and a request to /v1/completions call by the same names.

    `end_token_ids` replace the EOS that vLLM reads from the model's files.
    """
    ends = sampling.end_token_ids
    return {
        "max_tokens": sampling.max_tokens,
        # vLLM suppresses its own EOS below min_tokens even where nothing is to end the answer.
        "min_tokens": sampling.min_tokens if ends else 0,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "seed": sampling.seed,
        "stop_token_ids": sorted(ends),
        # After its last bracket a JSON document leaves only EOS, and then anything at all.
        "ignore_eos": sampling.json_schema is None,
        "logprobs": sampling.logprobs,
    }


def structured_outputs(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns the fields of StructuredOutputsParams that hold an answer to a JSON schema."""
    if schema is None:
        return None
    return {"json_object": True} if schema == {"type": "object"} else {"json": dict(schema)}


def sampling_params(sampling: Sampling) -> Any:
    """Returns vLLM's SamplingParams."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    structured = structured_outputs(sampling.json_schema)
    return SamplingParams(
        **sampling_values(sampling),
        logit_bias=dict(sampling.logit_bias) or None,
        structured_outputs=structured and StructuredOutputsParams(**structured),
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        skip_clone=True,
    )


def chunk(output: Any, top_logprobs: int | None) -> Chunk:
    """Returns what is new in a RequestOutput. Raises InternalError."""
    delta = output.outputs[0]
    logprobs = None
    if top_logprobs is not None:
        logprobs = [
            token_logprob([(token_id, e.logprob) for token_id, e in entry.items()], top_logprobs)
            for entry in delta.logprobs or ()
        ]
    if delta.finish_reason is None:
        return Chunk(delta.token_ids, logprobs=logprobs)
    return Chunk(
        delta.token_ids,
        logprobs=logprobs,
        finish_reason=finish_reason(delta.finish_reason),
        cached_tokens=output.num_cached_tokens,
    )


def finish_reason(name: str) -> FinishReason:
    """Returns it in common terms. Raises InternalError for one of no complete answer."""
    reason = FINISH_REASONS.get(name)
    if reason is None:
        raise InternalError(f"vLLM ended the generation with {name!r}")
    return reason


def token_logprob(ranked: list[tuple[int, float]], top_logprobs: int) -> TokenLogprob:
    """`ranked` has the chosen token first, and is one too long where it is not among the top."""
    chosen = ranked[0]
    if len(ranked) > top_logprobs:
        del ranked[0]
    else:
        ranked.sort(key=itemgetter(1), reverse=True)
    return TokenLogprob(*chosen, ranked)


def service_error(error: Exception) -> ServiceError:
    """Returns the error for clients of an exception of vLLM's."""
    from vllm.exceptions import VLLMClientError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    if isinstance(error, EngineDeadError):
        return EngineDead("vLLM's EngineCore process has died")
    cause = error.__cause__ if isinstance(error, EngineGenerateError) else error
    if isinstance(cause, VLLMClientError | ValueError):
        return InvalidValue(f"vLLM refuses the request: {one_line(cause)}")
    return InternalError(f"vLLM failed: {type(cause).__name__}")
