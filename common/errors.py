"""Every error that a client can get, with its HTTP status and code.

ServiceError
├── RequestError            the client's doing, 4xx
│   ├── InvalidHTTP, InvalidJSON, InvalidValue, UnknownParameter, UnsupportedParameter
│   ├── ContextLengthExceeded, InvalidAPIKey, NotAllowed, NotFound, ModelNotFound, MethodNotAllowed
│   ├── RequestTimeout, RequestTooLarge, URITooLong, HeadersTooLarge, UnsupportedMediaType
│   ├── Overloaded, RateLimited, Cancelled
└── ServerError             ours, 5xx
    ├── InternalError, NotReady, Draining, EngineStalled, EngineLost (EngineDead),
        QueueTimeout, FirstTokenTimeout
StartError                  the service cannot start; printed on the terminal, never sent
"""

from collections.abc import Mapping
from typing import ClassVar


class StartError(Exception):
    """A setting, a file or a package is missing or wrong: one line that says what is allowed."""


class ServiceError(Exception):
    """Base of all errors that reach a client. `message` never holds prompt text."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"
    retry_after: int | None = None

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: int | None = None
    ) -> None:
        """`retry_after` is known better than the class has it, where it is given."""
        super().__init__(message)
        self.message = message
        self.param = param
        if retry_after is not None:
            self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """Returns extra response headers; `Retry-After` in seconds where trying again can help."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}

    def body(self, request_id: str) -> dict[str, dict[str, str | None]]:
        """Returns the error body, which is the same on every route."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                "request_id": request_id,
            }
        }


class RequestError(ServiceError):
    status = 400
    code = "invalid_value"
    type = "invalid_request_error"


class InvalidHTTP(RequestError):
    """Of such bytes nobody can say where the next request begins: the connection ends."""

    code = "invalid_http"


class InvalidJSON(RequestError):
    code = "invalid_json"


class InvalidValue(RequestError):
    code = "invalid_value"


class UnknownParameter(RequestError):
    code = "unknown_parameter"


class UnsupportedParameter(RequestError):
    code = "unsupported_parameter"


class ContextLengthExceeded(RequestError):
    """Clients with a way out, such as a model of a longer context, know it by these words, too."""

    code = "context_length_exceeded"

    @classmethod
    def of(cls, max_model_len: int, however: str, param: str) -> "ContextLengthExceeded":
        """`however` says what the request has, with its numbers."""
        return cls(
            f"This model's maximum context length is {max_model_len} tokens. However, {however}",
            param=param,
        )


class InvalidAPIKey(RequestError):
    status = 401
    code = "invalid_api_key"
    type = "authentication_error"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"www-authenticate": "Bearer"}


class NotAllowed(RequestError):
    """The operation is one that the settings of this service do not allow."""

    status = 403
    code = "not_allowed"
    type = "permission_error"


class NotFound(RequestError):
    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow

    @property
    def headers(self) -> Mapping[str, str]:
        return {"allow": self.allow}


class RequestTimeout(RequestError):
    status = 408
    code = "request_timeout"


class RequestTooLarge(RequestError):
    status = 413
    code = "request_too_large"


class URITooLong(RequestError):
    status = 414
    code = "uri_too_long"


class UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported_media_type"


class Overloaded(RequestError):
    status = 429
    code = "overloaded"
    type = "rate_limit_error"
    retry_after = 1


class RateLimited(RequestError):
    """The requests or tokens that a key may use in a minute are used."""

    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"
    retry_after = 1


class HeadersTooLarge(RequestError):
    status = 431
    code = "headers_too_large"


class Cancelled(RequestError):
    """The request was stopped by `DELETE /v1/requests/{id}` or because its client left."""

    status = 499
    code = "cancelled"


class ServerError(ServiceError):
    pass


class InternalError(ServerError):
    pass


class NoSpace(ServerError):
    """The machine has no memory or no disk space left for this request."""

    status = 507
    code = "no_space"
    retry_after = 30


class NotReady(ServerError):
    status = 503
    code = "not_ready"
    retry_after = 5


class Draining(ServerError):
    status = 503
    code = "draining"
    retry_after = 5


class EngineStalled(ServerError):
    """The engine has given no token for longer than `stall_timeout`; it may come back."""

    status = 503
    code = "engine_stalled"
    retry_after = 5


class EngineLost(ServerError):
    """The engine went away during this request; it may come back."""

    status = 503
    code = "engine_dead"
    retry_after = 5


class EngineDead(EngineLost):
    """The engine went away for good: the service has to be restarted."""

    retry_after = 30


class QueueTimeout(ServerError):
    """The request waited longer than `queue_timeout` for a slot in the engine."""

    status = 503
    code = "overloaded"
    retry_after = 2


class FirstTokenTimeout(ServerError):
    status = 504
    code = "timeout"
