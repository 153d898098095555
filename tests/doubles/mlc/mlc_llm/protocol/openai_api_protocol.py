"""The parts of the OpenAI protocol that a GenerationConfig has."""

from typing import Literal

from pydantic import BaseModel, Field


class RequestResponseFormat(BaseModel):
    type: Literal["text", "json_object"] = "text"
    json_schema: str | None = Field(default=None, alias="schema")
