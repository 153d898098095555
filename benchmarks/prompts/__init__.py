"""What simulated users ask: the same questions in the same order for every backend."""

from benchmarks.prompts.prompt_set import BadPrompts, Order, Prompt, PromptSet, TraceRequest
from benchmarks.prompts.sources import load_prompts
from benchmarks.prompts.token_counts import local_tokenizer, served_tokenizer

__all__ = [
    "BadPrompts",
    "Order",
    "Prompt",
    "PromptSet",
    "TraceRequest",
    "load_prompts",
    "local_tokenizer",
    "served_tokenizer",
]
