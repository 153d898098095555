"""Between LLM and the process that runs the model."""

from .proxy import GenerationExecutorProxy
from .request import LoRARequest
from .result import CompletionOutput, Logprob, RequestError, RequestOutput

__all__ = [
    "CompletionOutput",
    "GenerationExecutorProxy",
    "LoRARequest",
    "Logprob",
    "RequestError",
    "RequestOutput",
]
