"""openai-agents on its default model, which asks /v1/responses."""

import asyncio
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI, BadRequestError
from openai.types.responses import ResponseTextDeltaEvent

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

set_tracing_disabled(True)


def agent(**options: Any) -> Agent[None]:
    given = {"temperature": 0, "parallel_tool_calls": False, "store": False, "metadata": {"a": "b"}}
    settings = ModelSettings(**{**given, **options.pop("settings", {})})
    model = OpenAIResponsesModel(MODEL, AsyncOpenAI(base_url=BASE_URL, api_key="none"))
    return Agent("helper", model=model, model_settings=settings, **options)


def answer(question: str, **options: Any) -> object:
    return asyncio.run(Runner.run(agent(**options), question, max_turns=2)).final_output


def plain() -> object:
    return answer(QUESTION)


def stream() -> str:
    async def text() -> str:
        events = Runner.run_streamed(agent(), QUESTION).stream_events()
        raw = [event.data async for event in events if event.type == "raw_response_event"]
        return "".join(data.delta for data in raw if isinstance(data, ResponseTextDeltaEvent))

    return asyncio.run(text())


def tools() -> object:
    return answer(TOOL_QUESTION, tools=[function_tool(get_weather)])


def named_city(city: str) -> dict[str, str]:
    return {"city": city}


def forced() -> object:
    weather = function_tool(named_city, name_override="get_weather")
    settings = {"tool_choice": "required"}
    stop = {"tool_use_behavior": "stop_on_first_tool"}
    return answer(TOOL_QUESTION, tools=[weather], settings=settings, **stop)


def schema() -> object:
    return answer(SCHEMA_QUESTION, output_type=Capital)


def error() -> str:
    hot = {"temperature": BAD_TEMPERATURE}
    return refusal(BadRequestError, lambda: answer(QUESTION, settings=hot))


if __name__ == "__main__":
    run(plain, stream, tools, forced, schema, error)
