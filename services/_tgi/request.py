"""The translation of requests to TGI and of its answers."""

import ctypes
import math
from collections.abc import Mapping
from typing import Any

import orjson

from common.engine import FinishReason, TokenLogprob
from common.errors import InternalError, InvalidValue, Overloaded, ServiceError
from common.json_schema import SchemaSupport
from common.messages import one_line
from common.sampling import Sampling
from services._tgi.prompt import Prompt

MAX_NEW_TOKENS = 1024
"""Beyond them TGI makes a new request of its own text, and with it another 1024 tokens, however
few were asked for, and starts a grammar anew (router/src/infer/mod.rs)."""
PAUSE_AFTER = 1000
"""From here on an answer pauses after a complete character, rather than at the very limit."""
MAX_TOP_TOKENS = 20
LARGEST_SEED = 2**63 - 1
GOLDEN = 0x9E3779B97F4A7C15
LEAST_FLOAT = 2.0**-126
SCHEMAS = SchemaSupport(
    "TGI",
    {
        "$ref": (),
        "anyOf": (),
        "const": ("type",),
        "enum": ("type",),
        "object": ("properties", "required", "additionalProperties"),
        "array": ("items", "minItems", "maxItems"),
        "string": ("minLength", "maxLength"),
        **dict.fromkeys(("boolean", "integer", "null", "number"), ()),
    },
)
"""From outlines-core ba10c619, which TGI 3.3 has (src/json_schema/parsing.rs)."""


def _array(item: str) -> str:
    return rf"\[({item}(, ?{item})*)?\]"


def _object(value: str) -> str:
    member = f"{STRING}: ?{value}"
    return rf"\{{({member}(, ?{member})*)?\}}"


STRING = r'"([^"\\\x00-\x1F\x7F-\x9F]|\\["\\/bfnrt])*"'
NUMBER = r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?"
SCALAR = f"({STRING}|{NUMBER}|true|false|null)"
ANY_OBJECT = _object(f"({SCALAR}|{_array(SCALAR)}|{_object(SCALAR)})")
"""A regular expression of JSON objects with two levels: TGI takes no schema without properties."""


def request_body(
    prompt: Prompt,
    sampling: Sampling,
    new_tokens: int,
    generated: int,
    adapter: str | None = None,
) -> bytes:
    """Returns a body of /generate_stream, for `new_tokens` after the `generated` ones."""
    parameters = sampling_parameters(sampling, generated)
    parameters["max_new_tokens"] = new_tokens
    if prompt.truncate is not None:
        parameters["truncate"] = prompt.truncate
    if adapter is not None:
        parameters["adapter_id"] = adapter
    return orjson.dumps({"inputs": prompt.text, "parameters": parameters})


def sampling_parameters(sampling: Sampling, generated: int = 0) -> dict[str, Any]:
    """Returns TGI's parameters without most neutral values, which it refuses.

    Raises InvalidValue or UnsupportedParameter for a schema.
    """
    # Without details the last event does not say that it is the last.
    values: dict[str, Any] = {"details": True, "do_sample": sampling.temperature > 0}
    if sampling.temperature > 0:
        values |= _choice(sampling, generated)
    if sampling.repetition_penalty != 1:
        values["repetition_penalty"] = sampling.repetition_penalty
    if sampling.logprobs:
        values["top_n_tokens"] = sampling.logprobs
    if sampling.json_schema is not None:
        if sampling.max_tokens > MAX_NEW_TOKENS:
            raise InvalidValue(
                f"max_tokens is {sampling.max_tokens}; with response_format TGI allows at most "
                f"{MAX_NEW_TOKENS}, after which it begins the document again",
                param="max_tokens",
            )
        values["grammar"] = grammar(sampling.json_schema)
    return values


def grammar(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema for TGI, which asks for properties at its root.

    Raises UnsupportedParameter for what TGI would leave out without a word.
    """
    if schema == {"type": "object"}:
        return {"type": "regex", "value": ANY_OBJECT}
    if "properties" not in schema:
        SCHEMAS.refusals("response_format").unsupported(
            "anything but an object with properties at the root"
        )
    return {"type": "json", "value": dict(schema)}


def _choice(sampling: Sampling, generated: int) -> dict[str, Any]:
    """Returns how one of the likely tokens is chosen; TGI reads 32-bit floats."""
    values: dict[str, Any] = {}
    if sampling.temperature != 1:
        values["temperature"] = sampling.temperature
    top_p = ctypes.c_float(sampling.top_p).value
    if top_p < 1:
        values["top_p"] = max(top_p, LEAST_FLOAT)
    if sampling.top_k > 0:
        values["top_k"] = min(sampling.top_k, 2**31 - 1)
    if sampling.seed is not None:
        # Its document asks for more than 0; the rest of an answer needs other random numbers.
        values["seed"] = 1 + (sampling.seed + generated * GOLDEN) % LARGEST_SEED
    return values


def finish_reason(
    token_id: int, ended: bool, generated: int, sampling: Sampling
) -> FinishReason | None:
    """Returns None where the answer goes on.

    It does so also when TGI has `ended`: at a limit of its own, or at an end token that is none of
    the request's.
    """
    if token_id in sampling.end_token_ids:
        return "stop"
    if generated >= sampling.max_tokens:
        return "length"
    return "stop" if ended and sampling.json_schema is not None else None


def token_logprob(event: Mapping[str, Any], top_logprobs: int) -> TokenLogprob:
    """TGI adds all tokens that are as likely as the last one of the top."""
    token = event["token"]
    top = [(one["id"], _logprob(one)) for one in event.get("top_tokens", ())[:top_logprobs]]
    return TokenLogprob(token["id"], _logprob(token), top)


def _logprob(token: Mapping[str, Any]) -> float:
    """JSON has no minus infinity: it comes as null."""
    value = token["logprob"]
    return -math.inf if value is None else value


def service_error(answer: Mapping[str, Any]) -> ServiceError:
    """Returns that of an error event, which comes with HTTP 200, or of an error response."""
    text = one_line(str(answer.get("error")))
    match answer.get("error_type"):
        case "validation":
            return InvalidValue(f"TGI refuses the request: {text}")
        case "overloaded":
            return Overloaded("TGI is overloaded: too many requests at once")
        case kind:
            return InternalError(f"TGI failed ({kind}): {text}")
