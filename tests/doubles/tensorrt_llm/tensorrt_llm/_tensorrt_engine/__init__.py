"""The LLM that runs compiled engines."""

from ..llmapi.llm import _TrtLLM as LLM

__all__ = ["LLM"]
