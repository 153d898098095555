from .async_engine import AsyncEngine, PreprocessedRequest
from .exceptions import ErrorCode, RequestError

__all__ = ["AsyncEngine", "ErrorCode", "PreprocessedRequest", "RequestError"]
