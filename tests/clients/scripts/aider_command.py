"""The command aider: a question about no file."""

import contextlib
import io
import json
import shlex
from pathlib import Path

from aider.main import main

from tests.clients.scripts.checks import BAD_TEMPERATURE, BASE_URL, MODEL, QUESTION, refusal, run
from tests.clients.scripts.command_line import CommandFailed

command = f"aider --model openai/{MODEL} --openai-api-base {BASE_URL} --openai-api-key none"
# What aider knows of the model it need not look up on the internet.
METADATA = Path(".aider.model.metadata.json")
QUIET = ["--no-git", "--yes-always", "--no-pretty", "--no-check-update", "--no-show-model-warnings"]
QUIET += ["--analytics-disable", "--map-tokens", "0", "--chat-mode", "ask"]


def ask(*options: str) -> str:
    """Returns the line of tokens, in this process, for the command takes long to load.

    The answer itself depends on the prompts of aider, of which the demo model knows none.
    """
    words = [*shlex.split(command)[1:], *QUIET, *options, "--message", QUESTION]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main(words)
    if "litellm." in said.getvalue():
        raise CommandFailed(said.getvalue())
    return next(line for line in said.getvalue().splitlines() if line.startswith("Tokens: "))


def plain() -> str:
    return ask("--no-stream")


def stream() -> str:
    return ask("--stream")


def error() -> str:
    """The command ends well all the same, and prints the error of its package for servers."""
    settings = [{"name": f"openai/{MODEL}", "use_temperature": BAD_TEMPERATURE}]
    # The file is YAML, which JSON is too.
    Path("hot.yml").write_text(json.dumps(settings))
    return refusal(CommandFailed, lambda: ask("--model-settings-file", "hot.yml"))


if __name__ == "__main__":
    METADATA.write_text(json.dumps({f"openai/{MODEL}": {"max_input_tokens": 4096}}))
    run(plain, stream, error)
