"""What vLLM is asked and what it answers, in its own terms and in those of common/."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from common.engine import Chunk, FinishReason, TokenLogprob
from common.errors import EngineDead, InternalError, InvalidValue, ServiceError, one_line
from common.sampling import Sampling

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "repetition": "stop",
}


def sampling_params(sampling: Sampling) -> Any:
    """`end_token_ids` replace the EOS that vLLM reads from the model's files."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    structured = None
    if sampling.json_schema == {"type": "object"}:
        structured = StructuredOutputsParams(json_object=True)
    elif sampling.json_schema is not None:
        structured = StructuredOutputsParams(json=dict(sampling.json_schema))
    ends = sampling.end_token_ids
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        # vLLM suppresses its own EOS below min_tokens even where nothing is to end the answer.
        min_tokens=sampling.min_tokens if ends else 0,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        seed=sampling.seed,
        stop_token_ids=sorted(ends),
        # After its last bracket a JSON document leaves only EOS, and then anything at all.
        ignore_eos=structured is None,
        logprobs=sampling.logprobs,
        logit_bias=dict(sampling.logit_bias) or None,
        structured_outputs=structured,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        skip_clone=True,
    )


def chunk(output: Any, wanted_logprobs: int | None) -> Chunk:
    delta = output.outputs[0]
    logprobs = None
    if wanted_logprobs is not None:
        logprobs = [_token_logprob(entry, wanted_logprobs) for entry in delta.logprobs or ()]
    if delta.finish_reason is None:
        return Chunk(delta.token_ids, None, logprobs)
    reason = FINISH_REASONS.get(delta.finish_reason)
    if reason is None:
        raise InternalError(f"vLLM ended the generation with {delta.finish_reason!r}")
    return Chunk(delta.token_ids, None, logprobs, reason, output.num_cached_tokens)


def _token_logprob(entry: Mapping[int, Any], wanted: int) -> TokenLogprob:
    """vLLM puts the chosen token first, one more than wanted where it is not among the top."""
    ranked = [(token_id, e.logprob) for token_id, e in entry.items()]
    chosen = ranked[0]
    if len(ranked) > wanted:
        del ranked[0]
    else:
        ranked.sort(key=itemgetter(1), reverse=True)
    return TokenLogprob(*chosen, ranked)


def service_error(error: Exception) -> ServiceError:
    from vllm.exceptions import VLLMClientError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    if isinstance(error, EngineDeadError):
        return EngineDead("vLLM's EngineCore process has died")
    cause = error.__cause__ if isinstance(error, EngineGenerateError) else error
    if isinstance(cause, VLLMClientError | ValueError):
        return InvalidValue(f"vLLM refuses the request: {one_line(cause)}")
    return InternalError(f"vLLM failed: {type(cause).__name__}")
