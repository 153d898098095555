"""The reasoning of a model, told from its answer while the text streams.

think            <think> … </think>   (Qwen3, DeepSeek, GLM, Kimi, SmolLM3 and most others)
mistral          [THINK] … [/THINK]   (Magistral)
cohere           <|START_THINKING|> … <|END_THINKING|><|START_RESPONSE|> … <|END_RESPONSE|>
seed             <seed:think> … </seed:think>
hunyuan          <think> … </think><answer> … </answer>
granite          <think> … </think><response> … </response>   (Granite 3.3)
granite_phrases  Here is my thought process: … Here is my response: …   (Granite 3.2)
harmony          <|channel|>analysis<|message|> … <|end|>   (gpt-oss)
"""

from common.text.reasoning.formats import Reasoning, Thinking, detect_reasoning
from common.text.reasoning.harmony import CALL_MARKS
from common.text.reasoning.parser import ReasoningParser, Split

__all__ = [
    "CALL_MARKS",
    "Reasoning",
    "ReasoningParser",
    "Split",
    "Thinking",
    "detect_reasoning",
]
