"""What Ray and vLLM say when they do not answer, in the terms of common/."""

from typing import Any

import orjson

from common.errors import InternalError, InvalidValue, Overloaded, ServiceError

MAX_MESSAGE = 300
LOST = (b"ActorDied", b"ActorUnavailable", b"is unavailable", b"EngineDead", b"EngineCore", b"died")
"""In the body of an HTTP 500: a replica or its engine is gone, and others may take its place."""
OF_THE_REQUEST = (400, 413, 422)
GATEWAY = (404, 408, 502, 503, 504)
"""Ray's own, while the app, its replicas or their nodes come and go."""


def refusal(status: int, body: bytes) -> ServiceError | None:
    """The error of an HTTP status; None when the app is lost."""
    reason = message(body)
    if status in OF_THE_REQUEST:
        return InvalidValue(f"vLLM refuses the request: {reason}")
    if status == 429:
        return Overloaded("Ray Serve is overloaded: too many requests at once")
    if status in GATEWAY or any(sign in body for sign in LOST):
        return None
    return InternalError(f"Ray Serve answers with status {status}: {reason}")


def event_error(error: dict[str, Any]) -> ServiceError | None:
    """The error of an event in a stream; None when the engine is lost."""
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 500:
        return InvalidValue(f"vLLM refuses the request: {_short(error.get('message'))}")
    return None


def message(body: bytes) -> str:
    """What the body of an error says, whichever of Ray's parts has made it."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = body.decode("utf-8", "replace")
    if isinstance(said, dict):
        error = said.get("error")
        said = error.get("message") if isinstance(error, dict) else said.get("detail")
    return _short(said)


def _short(text: Any) -> str:
    """Without request ids, and without the rejected value, which may be of the prompt."""
    text = " ".join(str(text).split()).removeprefix("Message: ")
    for tail in (" (Request ID: ", ", Internal exception: ", " (parameter="):
        text = text.partition(tail)[0]
    return str(text[:MAX_MESSAGE])
