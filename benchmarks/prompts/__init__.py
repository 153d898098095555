"""What simulated users ask: the same questions in the same order for every backend."""

from benchmarks.prompts.errors import BadPrompts
from benchmarks.prompts.load import load_prompts
from benchmarks.prompts.tokens import Counter, local_tokenizer, served_tokenizer
from benchmarks.prompts.types import Order, Prompt, PromptSet

__all__ = [
    "BadPrompts",
    "Counter",
    "Order",
    "Prompt",
    "PromptSet",
    "load_prompts",
    "local_tokenizer",
    "served_tokenizer",
]
