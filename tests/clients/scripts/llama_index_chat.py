"""llama-index: OpenAILike."""

from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from openai import BadRequestError

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    Capital,
    get_weather,
    refusal,
    run,
)


def model(**options: Any) -> OpenAILike:
    return OpenAILike(
        model=MODEL,
        api_base=BASE_URL,
        api_key="none",
        is_chat_model=True,
        is_function_calling_model=True,
        temperature=0,
        max_retries=0,
        **options,
    )


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def plain() -> object:
    return model().chat(user(QUESTION)).message.content


def stream() -> str:
    return "".join(part.delta or "" for part in model().stream_chat(user(QUESTION)))


def tools() -> object:
    weather = FunctionTool.from_defaults(get_weather)
    return model().predict_and_call([weather], TOOL_QUESTION).sources[0].raw_input["kwargs"]


def forced() -> object:
    weather = FunctionTool.from_defaults(get_weather)
    answer = model().chat_with_tools([weather], TOOL_QUESTION, tool_required=True)
    (call,) = model().get_tool_calls_from_response(answer)
    return call.tool_kwargs


def schema() -> object:
    strict = model(should_use_structured_outputs=True).as_structured_llm(Capital)
    return strict.chat(user(SCHEMA_QUESTION)).raw


def error() -> str:
    # Of its own temperature the package is sure itself.
    hot = model(additional_kwargs={"temperature": BAD_TEMPERATURE})
    return refusal(BadRequestError, lambda: hot.chat(user(QUESTION)))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
