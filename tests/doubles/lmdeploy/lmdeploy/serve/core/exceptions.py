"""Errors about requests."""

import enum


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
