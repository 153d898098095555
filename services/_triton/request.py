"""The translation of requests to the model `tensorrt_llm` and of its answers, as tensors."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from common.engine import Chunk, FinishReason, GenerateRequest, TokenLogprob
from common.errors import InternalError, InvalidValue, ServiceError
from common.messages import one_line
from common.sampling import Sampling
from services._triton.repository import MODEL

MAX_TOP_K = 1024
"""The limit of the engine's top-k kernel."""
TOO_LONG = "exceeds maximum input length"
"""The error of a prompt that is too long has these words: errors in a stream carry no status."""


@dataclass(frozen=True, slots=True)
class Part:
    """One generation inside the engine: a complete answer, or the first tokens of one.

    The engine holds back only a single end token until min_tokens, and stops at others. So those
    first tokens are a part of their own, in which the end tokens are `banned`.
    """

    prompt_ids: Sequence[int]
    max_tokens: int
    seed: int
    ends: frozenset[int] = frozenset()
    banned: frozenset[int] = frozenset()


def infer_request(request: GenerateRequest, part: Part, vocab_size: int) -> dict[str, Any]:
    """Returns tritonclient's arguments. Raises InvalidValue for what only this engine refuses."""
    from tritonclient.grpc import InferRequestedOutput

    outputs = ["output_ids", "sequence_length"]
    if request.sampling.logprobs is not None:
        outputs.append("output_log_probs")
    return {
        "model_name": MODEL,
        "request_id": request.request_id,
        "inputs": _inputs(part, request.sampling, vocab_size),
        "outputs": [InferRequestedOutput(name) for name in outputs],
    }


async def single_request(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield the requests of a stream that has one."""
    yield request


def _inputs(part: Part, sampling: Sampling, vocab_size: int) -> list[Any]:
    import numpy as np
    from tritonclient.grpc import InferInput
    from tritonclient.utils import np_to_triton_dtype

    def tensor(name: str, values: Any, dtype: Any) -> Any:
        array = np.array([values], dtype)
        infer_input = InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        return infer_input.set_data_from_numpy(array)

    inputs = [
        tensor("input_ids", part.prompt_ids, np.int32),
        tensor("input_lengths", [len(part.prompt_ids)], np.int32),
        tensor("request_output_len", [part.max_tokens], np.int32),
        tensor("streaming", [True], np.bool_),
        tensor("exclude_input_in_output", [True], np.bool_),
        tensor("runtime_top_k", [runtime_top_k(sampling, vocab_size)], np.int32),
        tensor("runtime_top_p", [sampling.top_p], np.float32),
        tensor("repetition_penalty", [sampling.repetition_penalty], np.float32),
    ]
    if sampling.temperature:
        inputs.append(tensor("temperature", [sampling.temperature], np.float32))
        # Left out it would be 0 for every request, in some releases.
        inputs.append(tensor("seed", [part.seed], np.uint64))
    if part.ends:
        inputs.append(tensor("stop_words_list", _words(part.ends), np.int32))
    if part.banned:
        inputs.append(tensor("bad_words_list", _words(part.banned), np.int32))
    if sampling.logit_bias:
        bias = np.zeros(vocab_size, np.float32)
        bias[list(sampling.logit_bias)] = list(sampling.logit_bias.values())
        inputs.append(tensor("embedding_bias", bias, np.float32))
    if sampling.logprobs is not None:
        inputs.append(tensor("return_log_probs", [True], np.bool_))
    return inputs


def runtime_top_k(sampling: Sampling, vocab_size: int) -> int:
    """Returns 1 for greedy, 0 for no limit. Raises InvalidValue."""
    if not sampling.temperature:
        return 1
    if sampling.top_k >= vocab_size:
        return 0
    if sampling.top_k > MAX_TOP_K:
        raise InvalidValue(
            f"top_k is {sampling.top_k}; on this backend allowed are 1 to {MAX_TOP_K}, and 0 for "
            "no limit",
            param="top_k",
        )
    return sampling.top_k


def _words(ids: frozenset[int]) -> list[list[int]]:
    """Returns words of one token each: the tokens, and the end of each word."""
    return [sorted(ids), list(range(1, len(ids) + 1))]


def chunk(
    response: Any, part: Part, generated: int, last: int | None, *, with_logprobs: bool
) -> Chunk:
    """Returns what a ModelInferResponse adds to the `generated` tokens before it.

    `last` is the last of those: the final response may have none.
    """
    ids: Sequence[int] = ()
    every_logprob: memoryview[float] = memoryview(b"").cast("f")
    for output, data in zip(response.outputs, response.raw_output_contents, strict=True):
        if output.name == "output_ids":
            ids = memoryview(data).cast("i").tolist()
        elif output.name == "output_log_probs":
            every_logprob = memoryview(data).cast("f")
    logprobs = None
    if with_logprobs:
        # They are those of all tokens so far: only the new ones become objects.
        new = every_logprob[generated : generated + len(ids)].tolist()
        logprobs = [TokenLogprob(*pair, ()) for pair in zip(ids, new, strict=True)]
    reason = None
    if response.parameters["triton_final_response"].bool_param:
        reason = _finish_reason(ids[-1] if ids else last, generated + len(ids), part)
    return Chunk(ids, logprobs=logprobs, finish_reason=reason)


def _finish_reason(last: int | None, generated: int, part: Part) -> FinishReason:
    """Returns why the engine ended, which it does not say. Raises InternalError for no reason."""
    if last in part.ends:
        return "stop"
    if generated == part.max_tokens:
        return "length"
    raise InternalError(
        f"the engine ended after {generated} of {part.max_tokens} tokens without an end"
    )


def service_error(error: Exception) -> ServiceError:
    """Returns that of an InferenceServerException that came in a stream."""
    text = one_line(str(error))
    if TOO_LONG in text:
        return InvalidValue(f"the engine refuses the request: {text}")
    return InternalError(f"the engine failed: {text}")
