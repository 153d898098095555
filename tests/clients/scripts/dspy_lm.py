"""dspy: its LM, by litellm."""

from typing import Any

import dspy

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    CAPITAL_FORMAT,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    WEATHER,
    refusal,
    run,
)

lm = dspy.LM(f"openai/{MODEL}", api_base=BASE_URL, api_key="none", cache=False, num_retries=0)


def ask(question: str, **fields: Any) -> Any:
    (answer,) = lm(question, **{"temperature": 0, **fields})
    return answer


def plain() -> object:
    return ask(QUESTION)


def tools() -> object:
    return ask(TOOL_QUESTION, tools=[WEATHER])["tool_calls"][0].function.arguments


def forced() -> object:
    answer = ask(TOOL_QUESTION, tools=[WEATHER], tool_choice="required")
    return answer["tool_calls"][0].function.arguments


def schema() -> object:
    return ask(SCHEMA_QUESTION, response_format=CAPITAL_FORMAT)


def error() -> str:
    return refusal(dspy.LMInvalidRequestError, lambda: ask(QUESTION, temperature=BAD_TEMPERATURE))


if __name__ == "__main__":
    run(plain, tools, forced, schema, error)
