"""What the scripts of clients share: the server, the questions, and one line per capability.

A script is a module of its own: `python -m tests.clients.scripts.NAME URL MODEL`.
"""

import contextlib
import json
import sys
from collections.abc import Callable

from pydantic import BaseModel

URL, MODEL = sys.argv[1:3]
BASE_URL = f"{URL}/v1"

QUESTION = "What is the capital of France?"
TOOL_QUESTION = "What is the weather in Lima?"
SCHEMA_QUESTION = "Give the capital of France as JSON."
BAD_TEMPERATURE = 9
"""A temperature that no request may have."""


def get_weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: The name of the city.
    """
    return '{"degrees": 18}'


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Capital(BaseModel):
    """The answer to SCHEMA_QUESTION."""

    country: str
    capital: str


CAPITAL_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "Capital",
        "schema": {**Capital.model_json_schema(), "additionalProperties": False},
    },
}


def refusal(kind: type[Exception], request: Callable[[], object]) -> str:
    """Returns the message of the client's own error, of that class, about a bad request."""
    try:
        request()
    except kind as error:
        return str(error)
    raise AssertionError("the request was accepted")


def run(*capabilities: Callable[[], object]) -> None:
    """Print a line for each capability: its name, whether it raised nothing, and what came."""
    for capability in capabilities:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                ok, detail = True, capability()
            except Exception as error:
                ok, detail = False, f"{type(error).__name__}: {error}"
        line = {"name": capability.__name__, "ok": ok, "detail": str(detail)}
        print(json.dumps(line), flush=True)
