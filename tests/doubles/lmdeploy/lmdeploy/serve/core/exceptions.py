"""Errors about requests."""

import enum

from ...messages import ResponseType


class ErrorCode(str, enum.Enum):  # noqa: UP042
    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    MODEL_NOT_FOUND = "model_not_found"
    REQUEST_CONFLICT = "request_conflict"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    PREPROCESS_FAILED = "preprocess_failed"
    REQUEST_CANCELLED = "request_cancelled"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    INTERNAL_ERROR = "internal_error"


STATUS = {
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.MODEL_NOT_FOUND: 404,
    ErrorCode.REQUEST_CONFLICT: 409,
    ErrorCode.REQUEST_CANCELLED: 499,
    ErrorCode.ENGINE_UNAVAILABLE: 503,
    ErrorCode.INTERNAL_ERROR: 500,
}
"""Every other code is a 400."""


class RequestError(RuntimeError):
    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        self.code = code
        self.message = message or f"The request failed: {code.value}."
        self.status_code = STATUS.get(code, 400)
        super().__init__(self.message)


class SafeRunException(Exception):
    """A generation was cut and the engine has been told."""


CODES = {
    ResponseType.INPUT_LENGTH_ERROR: ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    ResponseType.NOT_SUPPORTED: ErrorCode.UNSUPPORTED_FEATURE,
    ResponseType.SESSION_REPEAT: ErrorCode.REQUEST_CONFLICT,
    ResponseType.PREFIX_CACHE_CONFLICT: ErrorCode.REQUEST_CONFLICT,
    ResponseType.ENGINE_STOP_ERROR: ErrorCode.ENGINE_UNAVAILABLE,
    ResponseType.SESSION_NOT_EXIST: ErrorCode.ENGINE_UNAVAILABLE,
    ResponseType.HANDLER_NOT_EXIST: ErrorCode.ENGINE_UNAVAILABLE,
    ResponseType.NO_QUEUE: ErrorCode.ENGINE_UNAVAILABLE,
}
