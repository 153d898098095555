"""litellm as a package."""

from typing import Any

import litellm

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    CAPITAL_FORMAT,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    WEATHER,
    get_weather,
    refusal,
    run,
)


def ask(question: str, *more: Any, **fields: Any) -> Any:
    messages = [{"role": "user", "content": question}, *more]
    fields = {"messages": messages, "temperature": 0, **fields}
    return litellm.completion(model=f"openai/{MODEL}", api_base=BASE_URL, api_key="none", **fields)


def plain() -> object:
    return ask(QUESTION).choices[0].message.content


def stream() -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in ask(QUESTION, stream=True))


def tools() -> object:
    """Put the answer back as the package gives it, with the tool's result."""
    message = ask(TOOL_QUESTION, tools=[WEATHER], parallel_tool_calls=False).choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": get_weather("Lima")}
    return (
        ask(TOOL_QUESTION, message.model_dump(), result, tools=[WEATHER]).choices[0].message.content
    )


def forced() -> object:
    answer = ask(TOOL_QUESTION, tools=[WEATHER], tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    return call.function.arguments


def schema() -> object:
    answer = ask(SCHEMA_QUESTION, response_format=CAPITAL_FORMAT)
    return answer.choices[0].message.content


def error() -> str:
    return refusal(litellm.BadRequestError, lambda: ask(QUESTION, temperature=BAD_TEMPERATURE))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
