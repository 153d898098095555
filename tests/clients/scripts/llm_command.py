"""The command llm."""

import json
import os
from pathlib import Path

from click.testing import CliRunner
from llm.cli import cli

from tests.clients.scripts.checks import (
    BASE_URL,
    MODEL,
    QUESTION,
    SCHEMA_QUESTION,
    TOOL_QUESTION,
    Capital,
    refusal,
    run,
)
from tests.clients.scripts.command_line import CommandFailed

GET_WEATHER = """
def get_weather(city: str) -> str:
    "The weather of a city."
    return '{"degrees": 18}'
"""
model = {
    "model_id": MODEL,
    "model_name": MODEL,
    "api_base": BASE_URL,
    "supports_tools": True,
    "supports_schema": True,
}


def ask(question: str, *options: str) -> str:
    """Returns what the command prints, in this process, for it takes long to load."""
    words = ["--model", MODEL, "--key", "none", "-o", "temperature", "0", *options, question]
    done = CliRunner().invoke(cli, words)
    if done.exit_code:
        raise CommandFailed(done.output)
    return done.output.strip()


def plain() -> str:
    return ask(QUESTION, "--no-stream")


def stream() -> str:
    return ask(QUESTION)


def tools() -> str:
    return ask(TOOL_QUESTION, "--functions", GET_WEATHER)


def schema() -> str:
    return ask(SCHEMA_QUESTION, "--schema", json.dumps(Capital.model_json_schema()))


def error() -> str:
    """The command itself checks the temperature; no token has such a number."""
    return refusal(CommandFailed, lambda: ask(QUESTION, "-o", "logit_bias", '{"99999999": 1}'))


if __name__ == "__main__":
    # The file is YAML, which JSON is too.
    Path(os.environ["LLM_USER_PATH"], "extra-openai-models.yaml").write_text(json.dumps([model]))
    run(plain, stream, tools, schema, error)
