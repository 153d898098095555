"""A request body: bounded while it streams in, JSON only, validated with clear errors."""

import logging
from collections.abc import AsyncGenerator, Iterable
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ValidationError

from common.errors import (
    Cancelled,
    InvalidJSON,
    InvalidValue,
    RequestError,
    UnknownParameter,
    UnsupportedMediaType,
    UnsupportedParameter,
)
from common.http.bodies import SMALL, Bodies, too_large
from common.http.exchange import Exchange
from common.http.strict import UNSUPPORTED
from common.messages import closest

logger = logging.getLogger("bentoml.llm.http")

Body = TypeVar("Body", bound=BaseModel)
TAGS = ("constrained-", "function-", "lax-or-strict", "nullable")
"""How pydantic's names for members of a union begin, beside the types themselves."""
MISSPELT = 0.78
"""Likeness of names from which on one is taken for the other, misspelt: `store` is not `stream`."""
NO_MEMORY = "Not enough memory"
"""How orjson begins to say that it is not the text that is wrong."""
MAX_NAME = 100
"""Characters of an unknown name that an error, the log or a header repeats."""


async def read_body(exchange: Exchange, model: type[Body], bodies: Bodies) -> Body:
    """Returns the body as a `model`; the settings limit it and say what unknown fields do.

    Raises RequestTooLarge, UnsupportedMediaType, InvalidJSON, InvalidValue, UnknownParameter,
    Overloaded.
    """
    media_type = (exchange.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        given = media_type or "none"
        raise UnsupportedMediaType(f"content-type must be application/json, not {given[:100]!r}")
    encoding = exchange.header(b"content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise UnsupportedMediaType(
            f"content-encoding must be identity or absent, not {encoding[:100]!r}: "
            "send the JSON uncompressed"
        )
    settings = bodies.settings
    parts = read_parts(exchange, settings.max_body_bytes)
    data = await bodies.read(lambda: anext(parts, None))
    exchange.large = len(data) > SMALL
    ignored: set[str] | None = None if settings.unknown_fields == "refuse" else set()
    body: Body = await exchange.apart(_parsed, data, model, ignored)
    if ignored and settings.unknown_fields == "warn":
        _warn(exchange, sorted(ignored))
    return body


def _parsed(data: bytes, model: type[Body], ignored: set[str] | None) -> Body:
    """Raises MemoryError and what `read_body` does."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if NO_MEMORY in error.msg:
            raise MemoryError from error
        raise InvalidJSON(f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidValue("the body must be a JSON object")
    try:
        return model.model_validate(value, context=ignored)
    except ValidationError as error:
        raise _describe(error, model) from None


def _warn(exchange: Exchange, names: Iterable[str]) -> None:
    """Name ignored fields in the log, once each, and in a header of the answer."""
    shown = [name[:MAX_NAME] for name in names]
    for name in shown:
        _log_ignored(name)
    value = ", ".join(quote(name) for name in shown)
    exchange.headers.append((b"x-ignored-fields", value.encode()))


@lru_cache(maxsize=1000)
def _log_ignored(name: str) -> None:
    """Log a name once, or again after a thousand others."""
    logger.warning("requests have the unknown field %r, which is ignored", name)


async def read_parts(exchange: Exchange, limit: int) -> AsyncGenerator[bytes, None]:
    """Yields the body as it streams in. Raises RequestTooLarge, Cancelled."""
    declared = exchange.header(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    size = 0
    while True:
        message = await exchange.receive()
        exchange.check()
        if message["type"] == "http.disconnect":
            raise Cancelled("the client left before its request was complete")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        yield part
        if not message.get("more_body"):
            return


def _describe(error: ValidationError, model: type[BaseModel]) -> RequestError:
    """Returns the first problem as one sentence, without the value that was sent."""
    problem = error.errors(include_url=False, include_input=False, include_context=True)[0]
    if problem["type"] == "extra_forbidden":
        return _unknown(problem["loc"], model)
    if problem["type"] == UNSUPPORTED:
        place = _name(problem["loc"])
        name = ".".join(filter(None, (place, problem["ctx"]["field"])))
        return UnsupportedParameter(f"{name!r} is not supported: {problem['msg']}", param=name)
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
    return part in ("str", "list") or part.startswith(TAGS) or not part.islower() or "[" in part


def _unknown(location: tuple[int | str, ...], model: type[BaseModel]) -> RequestError:
    last = str(location[-1])[:MAX_NAME]
    parent = _name(location[:-1])
    name = f"{parent}.{last}" if parent else last
    known = _fields(model) if parent else set(model.model_fields)
    near = closest(last, sorted(known), MISSPELT)
    hint = f"; did you mean {near!r}?" if near else ""
    return UnknownParameter(f"unknown parameter {name!r}{hint}", param=name)


def _fields(model: type[BaseModel]) -> set[str]:
    """Returns the names of all fields at any depth, from the JSON schema."""
    definitions = model.model_json_schema().get("$defs", {}).values()
    return {name for part in definitions for name in part.get("properties", ())}
