"""Between LLM and the process that runs the model."""

from .proxy import GenerationExecutorProxy
from .result import CompletionOutput, Logprob, RequestError, RequestOutput

__all__ = [
    "CompletionOutput",
    "GenerationExecutorProxy",
    "Logprob",
    "RequestError",
    "RequestOutput",
]
