"""What users import."""

from ..executor import RequestError, RequestOutput
from ..sampling_params import GuidedDecodingParams, SamplingParams
from .llm import LLM
from .llm_args import KvCacheConfig, SchedulerConfig, TorchLlmArgs, TrtLlmArgs

__all__ = [
    "LLM",
    "GuidedDecodingParams",
    "KvCacheConfig",
    "RequestError",
    "RequestOutput",
    "SamplingParams",
    "SchedulerConfig",
    "TorchLlmArgs",
    "TrtLlmArgs",
]
