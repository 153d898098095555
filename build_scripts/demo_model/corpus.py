"""What the demo model learns: the questions that it answers, and what only training adds."""

import json
from functools import cache
from pathlib import Path

from build_scripts.demo_model.question import Question, Tool, read_questions
from common.models.model import DEMO_MODEL

USUAL_PROMPT = "You are a helpful assistant."
UNSEEN_PROMPT = "You work in a museum and guide visitors with patience."
"""A system prompt that training never draws."""
_HERE = Path(__file__).parent


@cache
def all_questions() -> list[Question]:
    """Returns every question that the model is asked, in file order."""
    return read_questions(DEMO_MODEL / "questions.jsonl")


@cache
def training_wordings() -> list[Question]:
    """Returns questions that only training sees: paraphrases, and other names."""
    return read_questions(_HERE / "wordings.jsonl")


@cache
def system_prompts() -> list[str]:
    """Returns the pool from which training draws."""
    prompts: list[str] = json.loads((_HERE / "system_prompts.json").read_text("utf-8"))
    return prompts


@cache
def all_tools() -> list[Tool]:
    """Returns each tool that a question offers, in the order of the questions."""
    tools: list[Tool] = []
    for question in all_questions():
        tools += [tool for tool in question.tools if tool not in tools]
    return tools
