"""instructor around the openai package."""

import instructor
from instructor.core import InstructorRetryException
from openai import OpenAI
from pydantic import BaseModel, create_model

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    BASE_URL,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    Capital,
    refusal,
    run,
)


def ask(mode: instructor.Mode, question: str, shape: type[BaseModel], temperature: float) -> object:
    client = instructor.from_openai(OpenAI(base_url=BASE_URL, api_key="none"), mode=mode)
    return client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": question}],
        temperature=temperature,
        response_model=shape,
        max_retries=0,
    )


def forced() -> object:
    """In its mode TOOLS the shape is a tool that must be called."""
    weather = create_model("get_weather", city=str)
    return ask(instructor.Mode.TOOLS, TOOL_QUESTION, weather, 0)


def schema() -> object:
    return ask(instructor.Mode.JSON_SCHEMA, SCHEMA_QUESTION, Capital, 0)


def error() -> str:
    def hot() -> object:
        return ask(instructor.Mode.JSON_SCHEMA, QUESTION, Capital, BAD_TEMPERATURE)

    return refusal(InstructorRetryException, hot)


if __name__ == "__main__":
    run(forced, schema, error)
