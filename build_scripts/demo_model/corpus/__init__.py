"""The corpus of the demo model: every question with its answer, and what training adds."""

from build_scripts.demo_model.corpus.arithmetic import arithmetic_questions
from build_scripts.demo_model.corpus.dialogues import dialogue_questions, name_dialogue
from build_scripts.demo_model.corpus.facts import fact_questions
from build_scripts.demo_model.corpus.multibyte import multibyte_questions
from build_scripts.demo_model.corpus.names import OTHER_NAMES
from build_scripts.demo_model.corpus.smalltalk import chat_questions, other_wordings
from build_scripts.demo_model.corpus.stories import long_questions
from build_scripts.demo_model.corpus.structured import json_questions
from build_scripts.demo_model.corpus.tools import tool_questions
from build_scripts.demo_model.question import Question

_SOURCES = (
    chat_questions,
    fact_questions,
    arithmetic_questions,
    dialogue_questions,
    json_questions,
    multibyte_questions,
    tool_questions,
    long_questions,
)


def all_questions() -> list[Question]:
    """Every evaluation question in file order; raises ValueError if two share messages."""
    questions = [question for source in _SOURCES for question in source()]
    seen: set[str] = set()
    for question in questions:
        key = question.key()
        if key in seen:
            raise ValueError(f"two questions with the same messages: {key}")
        seen.add(key)
    return questions


def training_wordings() -> list[Question]:
    """Further questions that only training sees: paraphrases and other names."""
    return other_wordings() + [name_dialogue(name) for name in OTHER_NAMES]
