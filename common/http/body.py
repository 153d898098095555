"""A request body: bounded while it streams in, JSON only, validated with clear errors."""

from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from common.errors import (
    Cancelled,
    InvalidJSON,
    InvalidValue,
    RequestError,
    RequestTooLarge,
    UnknownParameter,
    UnsupportedMediaType,
)
from common.http.exchange import Exchange
from common.messages import closest

Body = TypeVar("Body", bound=BaseModel)
TAGS = ("str", "list", "constrained", "function-", "lax-or-strict", "nullable")


async def read_body(exchange: Exchange, model: type[Body], limit: int) -> Body:
    """Returns the body as a `model`; `limit` is in bytes.

    Raises RequestTooLarge, UnsupportedMediaType, InvalidJSON, InvalidValue, UnknownParameter.
    """
    media_type = (exchange.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        given = media_type or "none"
        raise UnsupportedMediaType(f"content-type must be application/json, not {given[:100]!r}")
    data = await _read(exchange, limit)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidValue("the body must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _describe(error, model) from None


async def _read(exchange: Exchange, limit: int) -> bytes:
    declared = exchange.header(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await exchange.receive()
        exchange.check()
        if message["type"] == "http.disconnect":
            raise Cancelled("the client left before its request was complete")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is too large; allowed are at most {limit} bytes")


def _describe(error: ValidationError, model: type[BaseModel]) -> RequestError:
    """Returns the first problem as one sentence, without the value that was sent."""
    problem = error.errors(include_url=False, include_input=False, include_context=True)[0]
    if problem["type"] == "extra_forbidden":
        return _unknown(problem["loc"], model)
    name = _name(problem["loc"])
    if problem["type"] == "missing":
        return InvalidValue(f"{name!r} is required", param=name)
    message = problem["msg"].removeprefix("Value error, ")
    return InvalidValue(f"{name!r} is not valid: {message[:1].lower()}{message[1:]}", param=name)


def _name(location: tuple[int | str, ...]) -> str:
    """Returns `messages[0].content` from pydantic's location, which also names union members."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif not name or not _is_tag(part):
            name += f".{part}" if name else part
    return name[:200]


def _is_tag(part: str) -> bool:
    return part.startswith(TAGS) or not part.islower() or "[" in part


def _unknown(location: tuple[int | str, ...], model: type[BaseModel]) -> RequestError:
    last = str(location[-1])[:100]
    parent = _name(location[:-1])
    name = f"{parent}.{last}" if parent else last
    known = _fields(model) if parent else set(model.model_fields)
    near = closest(last, sorted(known))
    hint = f"; the nearest known one is {near!r}" if near else ""
    return UnknownParameter(f"unknown parameter {name!r}{hint}", param=name)


def _fields(model: type[BaseModel]) -> set[str]:
    """Returns the names of all fields at any depth, from the JSON schema."""
    definitions = model.model_json_schema().get("$defs", {}).values()
    return {name for part in definitions for name in part.get("properties", ())}
