"""Commands of a client's environment, and how the load generators among them are asked."""

import shlex
import subprocess
import sys
from pathlib import Path

TOKENIZER = Path(__file__).parents[3] / "common" / "demo_model"
REQUESTS = 4
"""The answers that a load generator asks for."""


class CommandFailed(Exception):
    """What a command says that fails."""


def output(command: str, *options: str) -> str:
    """Returns what the command prints; raises CommandFailed with all that one said that failed."""
    program, *words = shlex.split(command)
    path = Path(sys.executable).with_name(program)
    done = subprocess.run([path, *words, *options], capture_output=True, text=True)
    if done.returncode:
        raise CommandFailed(done.stdout + done.stderr)
    return done.stdout.strip()


def counted(answers: int) -> str:
    return f"{answers} of {REQUESTS} answers"
