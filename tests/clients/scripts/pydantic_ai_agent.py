"""pydantic-ai: agents on OpenAIResponsesModel, which `openai:` means."""

import asyncio
from typing import Any

from pydantic_ai import Agent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

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

model = OpenAIResponsesModel(MODEL, provider=OpenAIProvider(base_url=BASE_URL, api_key="none"))


def agent(temperature: float = 0, **options: Any) -> Agent[None, Any]:
    settings = {"temperature": temperature, "parallel_tool_calls": False}
    return Agent(model, model_settings=settings, retries=0, **options)


def plain() -> object:
    return agent().run_sync(QUESTION).output


def stream() -> str:
    async def text() -> str:
        async with agent().run_stream(QUESTION) as result:
            return "".join([delta async for delta in result.stream_text(delta=True)])

    return asyncio.run(text())


def tools() -> object:
    return agent(tools=[get_weather]).run_sync(TOOL_QUESTION).output


def forced() -> object:
    """Its output is a tool that must be called."""
    output = ToolOutput(named_city, name="get_weather")
    return agent(output_type=output).run_sync(TOOL_QUESTION).output


def named_city(city: str) -> dict[str, str]:
    return {"city": city}


def schema() -> object:
    return agent(output_type=NativeOutput(Capital)).run_sync(SCHEMA_QUESTION).output


def error() -> str:
    hot = agent(temperature=BAD_TEMPERATURE)
    return refusal(ModelHTTPError, lambda: hot.run_sync(QUESTION))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
