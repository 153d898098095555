"""What the users ask: some of the questions that the demo model knows."""

import json

from benchmarks.prompts import Prompt
from tests.service_process import REPOSITORY

FILE = REPOSITORY / "common" / "demo_model" / "questions.jsonl"
EACH = 40
"""Of so many questions one is asked."""
MAX_TOKENS = 64


def right_answers() -> dict[str, str]:
    """Returns the answer to each question that begins a conversation."""
    lines = map(json.loads, FILE.read_text("utf-8").splitlines()[::EACH])
    asked = [line for line in lines if len(line["messages"]) == 1]
    return {line["messages"][0]["content"]: line["answer"] for line in asked}


def questions() -> list[Prompt]:
    """Returns the questions, each with a limit that its answer does not reach."""
    return [Prompt.of([question], MAX_TOKENS) for question in right_answers()]
