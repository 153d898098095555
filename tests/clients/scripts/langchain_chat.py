"""langchain-openai: ChatOpenAI."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import BadRequestError

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

chat = ChatOpenAI(model=MODEL, base_url=BASE_URL, api_key="none", temperature=0)
weather = tool(get_weather)


def plain() -> object:
    return chat.invoke(QUESTION).content


def stream() -> str:
    return "".join(str(chunk.content) for chunk in chat.stream(QUESTION))


def tools() -> object:
    bound = chat.bind_tools([weather], parallel_tool_calls=False)
    answer = bound.invoke(TOOL_QUESTION)
    (call,) = answer.tool_calls
    result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
    return bound.invoke([HumanMessage(TOOL_QUESTION), answer, result]).content


def forced() -> object:
    """Structured output by a tool that must be called."""
    return chat.with_structured_output(WEATHER, method="function_calling").invoke(TOOL_QUESTION)


def schema() -> object:
    return chat.with_structured_output(Capital).invoke(SCHEMA_QUESTION)


def error() -> str:
    hot = ChatOpenAI(model=MODEL, base_url=BASE_URL, api_key="none", temperature=BAD_TEMPERATURE)
    return refusal(BadRequestError, lambda: hot.invoke(QUESTION))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
