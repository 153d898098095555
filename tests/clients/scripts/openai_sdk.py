"""The openai package for Python."""

from typing import Any

from openai import BadRequestError, OpenAI

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    WEATHER,
    Capital,
    get_weather,
    refusal,
    run,
)

client = OpenAI(base_url=BASE_URL, api_key="none")


def ask(question: str, *more: Any, **fields: Any) -> Any:
    messages = [{"role": "user", "content": question}, *more]
    fields = {"model": MODEL, "messages": messages, "temperature": 0, **fields}
    return client.chat.completions.create(**fields)


def plain() -> str:
    return str(ask(QUESTION).choices[0].message.content)


def stream() -> str:
    chunks = ask(QUESTION, stream=True, stream_options={"include_usage": True})
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def tools() -> str:
    """Put the answer back as the package gives it, with the tool's result."""
    message = ask(TOOL_QUESTION, tools=[WEATHER], parallel_tool_calls=False).choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": get_weather("Lima")}
    answer = ask(TOOL_QUESTION, message.model_dump(), result, tools=[WEATHER])
    return str(answer.choices[0].message.content)


def forced() -> str:
    answer = ask(TOOL_QUESTION, tools=[WEATHER], tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    return str(call.function.arguments)


def schema() -> str:
    answer = client.beta.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": SCHEMA_QUESTION}],
        temperature=0,
        response_format=Capital,
    )
    return str(answer.choices[0].message.parsed)


def error() -> str:
    return refusal(BadRequestError, lambda: ask(QUESTION, temperature=BAD_TEMPERATURE))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
