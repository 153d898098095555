"""huggingface_hub: InferenceClient."""

from typing import Any

from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

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

client = InferenceClient(base_url=BASE_URL, api_key="none")


def ask(question: str, *more: Any, **fields: Any) -> Any:
    messages = [{"role": "user", "content": question}, *more]
    return client.chat_completion(messages, model=MODEL, **{"temperature": 0, **fields})


def plain() -> object:
    return ask(QUESTION).choices[0].message.content


def stream() -> str:
    chunks = ask(QUESTION, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tools() -> object:
    """Put the answer back as the package gives it, with the tool's result."""
    message = ask(TOOL_QUESTION, tools=[WEATHER]).choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": get_weather("Lima")}
    return ask(TOOL_QUESTION, message, result, tools=[WEATHER]).choices[0].message.content


def forced() -> object:
    answer = ask(TOOL_QUESTION, tools=[WEATHER], tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    return call.function.arguments


def schema() -> object:
    answer = ask(SCHEMA_QUESTION, response_format=CAPITAL_FORMAT)
    return answer.choices[0].message.content


def error() -> str:
    return refusal(HfHubHTTPError, lambda: ask(QUESTION, temperature=BAD_TEMPERATURE))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
