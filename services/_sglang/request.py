"""The translation of requests to SGLang and of its answers."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.engine import Chunk, FinishReason, TokenLogprob
from common.errors import InternalError, InvalidValue, Overloaded, ServiceError
from common.messages import one_line
from common.sampling import Sampling
from services._xgrammar.structural_tag import structural_tag

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}


def request_ids() -> Iterator[str]:
    """Returns prefixes of equal length.

    SGLang aborts every request whose id begins with the given one.
    """
    return (f"{number:016x}-" for number in itertools.count())


def own_end_ids(manager: Any) -> frozenset[int]:
    """Returns the tokens that end every answer of this engine unless a request ignores them."""
    tokenizer = manager.tokenizer
    return frozenset(
        {
            *(manager.model_config.hf_eos_token_id or ()),
            *(getattr(tokenizer, "additional_stop_token_ids", None) or ()),
            *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]),
        }
    )


def sampling_params(
    sampling: Sampling, own_ends: frozenset[int], seed: int | None
) -> dict[str, Any]:
    """Returns fields of SGLang's SamplingParams. Raises InvalidValue.

    `seed` is for a request without one; None where SGLang heeds no seeds.
    """
    if sampling.constrained and sampling.min_tokens:
        # Behind its end a grammar allows the end token only: nothing would be left.
        raise InvalidValue(
            "min_tokens cannot be used with response_format or a forced tool_choice: the end of "
            "the document or call is the end of the answer",
            param="min_tokens",
        )
    ends = sampling.end_token_ids
    if sampling.min_tokens and ends and not own_ends <= ends:
        # SGLang would keep its own end tokens from being chosen, which here are tokens like others.
        raise InvalidValue(
            "min_tokens cannot be used with both ignore_eos and stop_token_ids on this backend",
            param="min_tokens",
        )
    params: dict[str, Any] = {
        "max_new_tokens": sampling.max_tokens,
        # SGLang suppresses its own end tokens too, even where nothing is to end the answer.
        "min_new_tokens": sampling.min_tokens if ends else 0,
        "stop_token_ids": sorted(ends),
        # Ignores stop_token_ids as well, see `chunk`.
        "ignore_eos": not own_ends <= ends,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    if sampling.logit_bias:
        # A key that is no string ends the scheduler process.
        params["logit_bias"] = {str(key): value for key, value in sampling.logit_bias.items()}
    if seed is not None:
        # Without one, SGLang takes the same seed for all.
        params["sampling_seed"] = seed if sampling.seed is None else sampling.seed
    return params | _form(sampling)


def _form(sampling: Sampling) -> dict[str, str]:
    """Returns the field that holds an answer to its form, if it has one."""
    tag = structural_tag(sampling)
    if tag is not None:
        return {"structural_tag": json.dumps(tag)}
    if sampling.json_schema is not None:
        return {"json_schema": json.dumps(sampling.json_schema)}
    if sampling.regex is not None:
        return {"regex": sampling.regex}
    return {} if sampling.grammar is None else {"ebnf": sampling.grammar}


WRONG_FORM = "Failed to compile"
"""In what SGLang says of a form that its compiler refuses (constrained/grammar_manager.py)."""


def chunk(
    output: Mapping[str, Any],
    top_logprobs: int | None,
    ends: frozenset[int],
    form_field: str | None = None,
) -> Chunk:
    """Returns what is new in an output; `ends` are end tokens that SGLang ignores, and `form_field`
    is the field that asks for a form.

    Raises InvalidValue, Overloaded or InternalError for an answer that SGLang gave up.
    """
    meta = output["meta_info"]
    ids: list[int] = output["output_ids"]
    reason = meta["finish_reason"]
    finish = None if reason is None else _finish_reason(reason, form_field)
    if ends and not ends.isdisjoint(ids):
        ids = ids[: next(count for count, token in enumerate(ids, 1) if token in ends)]
        finish = "stop"
    logprobs = None if top_logprobs is None else _logprobs(meta, top_logprobs)
    if finish is None:
        return Chunk(ids, logprobs=logprobs)
    return Chunk(
        ids,
        logprobs=logprobs and logprobs[: len(ids)],
        finish_reason=finish,
        cached_tokens=meta["cached_tokens"],
    )


def _finish_reason(reason: Mapping[str, Any], form_field: str | None) -> FinishReason:
    kind = reason["type"]
    if kind in FINISH_REASONS:
        return FINISH_REASONS[kind]
    text = one_line(str(reason.get("message") or kind))
    message = f"SGLang ended the generation: {text}"
    match reason.get("status_code"):
        case 400:
            raise InvalidValue(message, param=form_field if WRONG_FORM in text else None)
        case 503:
            raise Overloaded(message)
    raise InternalError(message)


def _logprobs(meta: Mapping[str, Any], top_logprobs: int) -> list[TokenLogprob]:
    chosen = meta["output_token_logprobs"]
    if not top_logprobs:
        return [TokenLogprob(token, logprob, ()) for logprob, token, _ in chosen]
    return [
        TokenLogprob(token, logprob, _likeliest(top, top_logprobs))
        for (logprob, token, _), top in zip(chosen, meta["output_top_logprobs"], strict=True)
    ]


def prompt_logprobs(meta: Mapping[str, Any], top_logprobs: int) -> list[TokenLogprob | None]:
    """Returns an entry per token of the prompt; SGLang gives none for the first."""
    own = meta["input_token_logprobs"]
    tops = meta["input_top_logprobs"] if top_logprobs else [()] * len(own)
    return [
        None if logprob is None else TokenLogprob(token, logprob, _likeliest(top, top_logprobs))
        for (logprob, token, _), top in zip(own, tops, strict=True)
    ]


def _likeliest(top: Sequence[tuple[float, int, Any]], count: int) -> list[tuple[int, float]]:
    """Returns as many as are asked for: SGLang gives as many for a prompt as for an answer."""
    return [(token, logprob) for logprob, token, _ in top[:count]]


def service_error(error: Exception) -> ServiceError:
    """Returns what a client is told of an exception of SGLang's.

    It checks a request before it starts it, and says what is wrong by a ValueError.
    """
    if isinstance(error, ValueError):
        return InvalidValue(f"SGLang refuses the request: {one_line(error)}")
    return InternalError(f"SGLang failed: {type(error).__name__}")
