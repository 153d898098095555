"""smolagents: OpenAIModel, alone and under an agent."""

from openai import BadRequestError
from smolagents import OpenAIModel, Tool, tool
from smolagents.models import ChatMessage, MessageRole

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    CAPITAL_FORMAT,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    get_weather,
    refusal,
    run,
)


def server(temperature: float) -> OpenAIModel:
    return OpenAIModel(MODEL, api_base=BASE_URL, api_key="none", temperature=temperature)


model = server(temperature=0)
weather: Tool = tool(get_weather)


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage(MessageRole.USER, [{"type": "text", "text": text}])]


def plain() -> object:
    return model.generate(user(QUESTION)).content


def stream() -> str:
    return "".join(delta.content or "" for delta in model.generate_stream(user(QUESTION)))


def tools() -> object:
    answer = model.generate(user(TOOL_QUESTION), tools_to_call_from=[weather], tool_choice="auto")
    (call,) = answer.tool_calls
    return call.function.arguments


def forced() -> object:
    """Its agents ask so: smolagents calls tools with tool_choice=required."""
    (call,) = model.generate(user(TOOL_QUESTION), tools_to_call_from=[weather]).tool_calls
    return call.function.arguments


def schema() -> object:
    return model.generate(user(SCHEMA_QUESTION), response_format=CAPITAL_FORMAT).content


def error() -> str:
    hot = server(BAD_TEMPERATURE)
    return refusal(BadRequestError, lambda: hot.generate(user(QUESTION)))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
