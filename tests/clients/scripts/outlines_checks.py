"""What both kinds of model of outlines are asked."""

from typing import Any

from outlines.exceptions import BadRequestError

from tests.clients.scripts.checks import (
    BAD_TEMPERATURE,
    QUESTION,
    SCHEMA_QUESTION,
    Capital,
    refusal,
    run,
)


def run_with(model: Any) -> None:
    def plain() -> object:
        return model(QUESTION, temperature=0)

    def stream() -> str:
        return "".join(model.stream(QUESTION, temperature=0))

    def schema() -> object:
        return model(SCHEMA_QUESTION, Capital, temperature=0)

    def error() -> str:
        return refusal(BadRequestError, lambda: model(QUESTION, temperature=BAD_TEMPERATURE))

    run(plain, stream, schema, error)
