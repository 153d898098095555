"""guidance: models.OpenAI."""

import guidance
import openai
from guidance.models import OpenAI

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    Capital,
    refusal,
    run,
)

model = OpenAI(MODEL, base_url=BASE_URL, api_key="none", echo=False)


def ask(question: str, grammar: object) -> str:
    """Returns what the grammar captures as `answer`."""
    with guidance.user():
        asked = model + question
    with guidance.assistant():
        return str((asked + grammar)["answer"])


def stream() -> str:
    """It streams always."""
    return ask(QUESTION, guidance.gen("answer", temperature=0))


def schema() -> str:
    return ask(SCHEMA_QUESTION, guidance.json("answer", schema=Capital, temperature=0))


def error() -> str:
    hot = guidance.gen("answer", temperature=BAD_TEMPERATURE)
    return refusal(openai.BadRequestError, lambda: ask(QUESTION, hot))


if __name__ == "__main__":
    run(stream, schema, error)
