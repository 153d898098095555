"""The shapes that errors have on the wire: that of OpenAI's API, and that of Anthropic's."""

from collections.abc import Iterable
from typing import Any, Protocol

import orjson

from common.errors import ServiceError


class Dialect(Protocol):
    def body(self, error: ServiceError, request_id: str) -> dict[str, Any]:
        """Returns the body of an error."""

    def event(self, error: ServiceError, request_id: str) -> bytes:
        """Returns the event by which an error ends a stream."""

    def headers(self, request_id: str) -> Iterable[tuple[bytes, bytes]]:
        """Returns headers of each response, beside those of every route."""


class OpenAIDialect:
    def body(self, error: ServiceError, request_id: str) -> dict[str, Any]:
        return error.body(request_id)

    def event(self, error: ServiceError, request_id: str) -> bytes:
        return b"data: " + orjson.dumps(self.body(error, request_id)) + b"\n\n"

    def headers(self, request_id: str) -> Iterable[tuple[bytes, bytes]]:
        return ()


class AnthropicDialect:
    TYPES = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
    }
    """By status, but for invalid_request_error and api_error."""

    def body(self, error: ServiceError, request_id: str) -> dict[str, Any]:
        other = "api_error" if error.status >= 500 else "invalid_request_error"
        return {
            "type": "error",
            "error": {
                "type": self.TYPES.get(error.status, other),
                "message": error.message,
                "param": error.param,
                "code": error.code,
            },
            "request_id": request_id,
        }

    def event(self, error: ServiceError, request_id: str) -> bytes:
        return b"event: error\ndata: " + orjson.dumps(self.body(error, request_id)) + b"\n\n"

    def headers(self, request_id: str) -> Iterable[tuple[bytes, bytes]]:
        return ((b"request-id", request_id.encode()),)


OPENAI: Dialect = OpenAIDialect()
ANTHROPIC: Dialect = AnthropicDialect()
