"""The translation of requests to vLLM and of its answers, in Python and as JSON of its server."""

import json
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from common.engine import Chunk, FinishReason, GenerateRequest, TokenLogprob
from common.errors import EngineDead, InternalError, InvalidValue, ServiceError
from common.messages import one_line
from common.models.adapters import Adapter
from common.sampling import Limits, Sampling
from common.settings import Settings
from services._vllm.arguments import speculative_gaps
from services._xgrammar.structural_tag import structural_tag

LIMITS = Limits(
    ends_with_min_tokens=127,
    logit_bias=1024,
    allowed_token_ids=1024,
    bad_words=128,
    bad_word_tokens=1024,
)
"""From v1/worker/gpu/sample/logit_bias.py and bad_words.py; of MAX_NUM_STOP_TOKEN_IDS, 128, the
tokenizer's EOS is taken, which vLLM always counts. One more of any ends EngineCore, on a GPU."""
CORE_DIED = "vLLM's EngineCore process has died"
FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "repetition": "stop",
}


def warm_up(settings: Settings) -> Sampling:
    """Returns a request that takes the paths which compile something when they are first used."""
    min_p = 0.0 if speculative_gaps(settings) else 0.01
    return Sampling(
        max_tokens=2, top_p=0.9, top_k=8, min_p=min_p, repetition_penalty=1.1, logprobs=1, seed=0
    )


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
        # Behind its end a grammar leaves only EOS, and then anything at all.
        "ignore_eos": not sampling.constrained,
        "logprobs": sampling.logprobs,
        "prompt_logprobs": sampling.prompt_logprobs,
        "allowed_token_ids": list(sampling.allowed_token_ids) or None,
    }


def structured_outputs(sampling: Sampling) -> dict[str, Any] | None:
    """Returns the fields of StructuredOutputsParams that hold an answer to a form."""
    tag = structural_tag(sampling)
    if tag is not None:
        return {"structural_tag": json.dumps(tag)}
    schema = sampling.json_schema
    if schema is not None:
        return {"json_object": True} if schema == {"type": "object"} else {"json": dict(schema)}
    if sampling.regex is not None:
        return {"regex": sampling.regex}
    return None if sampling.grammar is None else {"grammar": sampling.grammar}


def sampling_params(sampling: Sampling) -> Any:
    """Returns vLLM's SamplingParams."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    structured = structured_outputs(sampling)
    params = SamplingParams(
        **sampling_values(sampling),
        logit_bias=dict(sampling.logit_bias) or None,
        structured_outputs=structured and StructuredOutputsParams(**structured),
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        skip_clone=True,
    )
    if sampling.bad_words:
        # Its public field takes words, to be tokenized once more.
        params._bad_words_token_ids = [list(ids) for ids in sampling.bad_words]
    return params


def lora_request(adapter: Adapter | None) -> Any:
    """Returns vLLM's LoRARequest, whose name and path are in the keys of its prefix cache."""
    if adapter is None:
        return None
    from vllm.lora.request import LoRARequest

    return LoRARequest(adapter.key, adapter.number, str(adapter.path))


async def engine_input(llm: Any, request: GenerateRequest) -> Any:
    """Returns the prompt of a request as AsyncLLM takes it. Raises InternalError.

    Placeholders of images vLLM itself writes out, to as many as its own processor finds: in ids in
    which that is done it would do so again.
    """
    from vllm.inputs import TokensPrompt, tokens_input

    salt, images = request.sampling.cache_salt, request.images
    if images is None:
        return tokens_input(list(request.prompt_ids), cache_salt=salt)
    from vllm.renderers.inputs.preprocess import parse_model_prompt

    prompt = TokensPrompt(
        prompt_token_ids=list(images.short_ids),
        multi_modal_data={"image": list(images.pictures)},
    )
    if salt is not None:
        prompt["cache_salt"] = salt
    parsed = parse_model_prompt(llm.model_config, prompt)
    (rendered,) = await llm.renderer.render_cmpl_async([parsed])
    if len(rendered["prompt_token_ids"]) != len(request.prompt_ids):
        raise InternalError(
            f"vLLM counts {len(rendered['prompt_token_ids'])} tokens of a prompt with images, and "
            f"the model's processor {len(request.prompt_ids)}"
        )
    return rendered


def chunk(output: Any, sampling: Sampling) -> Chunk:
    """Returns what is new in a RequestOutput. Raises InternalError, InvalidValue."""
    top_logprobs, of_prompt = sampling.logprobs, sampling.prompt_logprobs
    delta = output.outputs[0]
    logprobs = prompt_logprobs = None
    if top_logprobs is not None:
        logprobs = [_entry(entry, top_logprobs) for entry in delta.logprobs or ()]
    if of_prompt is not None and output.prompt_logprobs:
        entries = output.prompt_logprobs
        prompt_logprobs = [None if entry is None else _entry(entry, of_prompt) for entry in entries]
    if delta.finish_reason is None:
        return Chunk(delta.token_ids, logprobs=logprobs, prompt_logprobs=prompt_logprobs)
    if delta.finish_reason == "error" and sampling.constrained and sampling.allowed_token_ids:
        raise nothing_allowed()
    return Chunk(
        delta.token_ids,
        logprobs=logprobs,
        finish_reason=finish_reason(delta.finish_reason),
        cached_tokens=output.num_cached_tokens,
        prompt_logprobs=prompt_logprobs,
    )


def nothing_allowed() -> InvalidValue:
    """Returns the error for clients where vLLM gives up a form with `allowed_token_ids`."""
    return InvalidValue(
        "none of allowed_token_ids continues the answer in the form that is asked for",
        param="allowed_token_ids",
    )


def _entry(entry: Mapping[int, Any], top: int) -> TokenLogprob:
    return token_logprob([(token_id, value.logprob) for token_id, value in entry.items()], top)


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


WRONG_FORMS = {
    "Invalid grammar specification": "grammar",
    "structured_outputs.grammar": "grammar",
    "Grammar error": "regex",
    "structured_outputs.regex": "regex",
}
"""How vLLM begins to say what is wrong with a form, and the field that the form is of."""


def refusal(reason: str) -> InvalidValue:
    """Returns the error for clients of what vLLM says of a request."""
    field = next((name for start, name in WRONG_FORMS.items() if reason.startswith(start)), None)
    return InvalidValue(f"vLLM refuses the request: {reason}", param=field)


def service_error(error: Exception, dead: str = CORE_DIED) -> ServiceError:
    """Returns the error for clients of an exception of vLLM's; `dead` says how its process died."""
    from vllm.exceptions import VLLMClientError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    if isinstance(error, EngineDeadError):
        return EngineDead(dead)
    cause = error.__cause__ if isinstance(error, EngineGenerateError) else error
    if isinstance(cause, VLLMClientError | ValueError):
        return refusal(one_line(cause))
    return InternalError(f"vLLM failed: {type(cause).__name__}")
