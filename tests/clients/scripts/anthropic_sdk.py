"""The anthropic package, which asks /v1/messages. Its requests have no field for a temperature."""

from typing import Any

from anthropic import Anthropic, BadRequestError

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    URL,
    WEATHER,
    Capital,
    get_weather,
    refusal,
    run,
)

client = Anthropic(base_url=URL, api_key="none")
GREEDY = {"temperature": 0}
FUNCTION: Any = WEATHER["function"]
TOOL = {
    "name": FUNCTION["name"],
    "description": FUNCTION["description"],
    "input_schema": FUNCTION["parameters"],
}


def asked(question: str, *more: Any, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, *more]
    return {
        "model": MODEL, "max_tokens": 256, "messages": messages, "extra_body": GREEDY, **fields
    }  # fmt: skip


def ask(question: str, *more: Any, **fields: Any) -> Any:
    return client.messages.create(**asked(question, *more, **fields))


def plain() -> str:
    return str(ask(QUESTION).content[0].text)


def stream() -> str:
    with client.messages.stream(**asked(QUESTION)) as events:
        return "".join(events.text_stream)


def tools() -> str:
    """Put the answer back as the package gives it, with the tool's result."""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    message = ask(TOOL_QUESTION, tools=[TOOL], tool_choice=choice)
    call = message.content[-1]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": get_weather("Lima")}
    said = [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    return str(ask(TOOL_QUESTION, *said, tools=[TOOL]).content[0].text)


def forced() -> str:
    return str(ask(TOOL_QUESTION, tools=[TOOL], tool_choice={"type": "any"}).content[-1].input)


def schema() -> str:
    answer = client.messages.parse(**asked(SCHEMA_QUESTION), output_format=Capital)
    return str(answer.parsed_output)


def error() -> str:
    hot = {"temperature": BAD_TEMPERATURE}
    return refusal(BadRequestError, lambda: ask(QUESTION, extra_body=hot))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
