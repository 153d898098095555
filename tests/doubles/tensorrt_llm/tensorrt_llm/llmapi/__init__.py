"""What users import."""

from ..executor import RequestError, RequestOutput
from ..sampling_params import GuidedDecodingParams, SamplingParams
from .llm import LLM
from .llm_args import (
    DraftTargetDecodingConfig,
    EagleDecodingConfig,
    KvCacheConfig,
    MTPDecodingConfig,
    NGramDecodingConfig,
    SchedulerConfig,
    TorchLlmArgs,
    TrtLlmArgs,
)

__all__ = [
    "LLM",
    "DraftTargetDecodingConfig",
    "EagleDecodingConfig",
    "GuidedDecodingParams",
    "KvCacheConfig",
    "MTPDecodingConfig",
    "NGramDecodingConfig",
    "RequestError",
    "RequestOutput",
    "SamplingParams",
    "SchedulerConfig",
    "TorchLlmArgs",
    "TrtLlmArgs",
]
