"""A double of TensorRT-LLM 1.2.1: its names, checks, defaults and ways; the demo model inside."""

from .llmapi import LLM
from .sampling_params import SamplingParams

__all__ = ["LLM", "SamplingParams", "__version__"]
__version__ = "1.2.1"
