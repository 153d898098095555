"""BentoML's own commands, run as a person runs them; a failure is told in one line."""

import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from build_scripts.deploy.errors import DeployError
from build_scripts.deploy.target import ROOT

WIDE = "1000"
"""Columns: lines are read here, and must not be broken."""
CLICK = re.compile(r"^Error: (?:\[[\w-]+\] `[\w-]+` failed: )?", re.MULTILINE)
COLORS = re.compile(r"\x1b\[[0-9;]*m")
REPEATED = 8
"""Lines that a box may show again when it is drawn anew."""
BOX = "│╭╮╰╯─ \n"
BAR = "━"
SIREN = "🚨 "
BLAMES_THE_FILE = "Failed to create deployment due to invalid configuration: "
"""BentoML's words before everything that goes wrong, an upload too."""
UPLOAD = re.compile(r"Failed pushing .+?: (.+)")
"""Where standard output has the reason for "Failed to upload"."""
BODY = re.compile(r"\{.*\}", re.DOTALL)
"""The JSON of an answer, within a message of BentoML's client."""


class CommandFailed(DeployError):
    """`lines` are what it said before on standard output."""

    def __init__(self, message: str, lines: Sequence[str]) -> None:
        super().__init__(message)
        self.lines = lines


def bentoml(arguments: Sequence[str], *, show: bool) -> str:
    """The lines of its standard output, shown as they come if asked for. Raises CommandFailed."""
    program = Path(sys.executable).with_name("bentoml")
    environment = {**os.environ, "COLUMNS": WIDE}
    environment.setdefault("BENTOML_DO_NOT_TRACK", "True")
    process = subprocess.Popen(
        [program, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    assert process.stderr is not None
    told: deque[str] = deque(maxlen=200)
    reader = threading.Thread(target=told.extend, args=(process.stderr,))
    reader.start()
    lines: list[str] = []
    try:
        for raw in process.stdout:
            line = readable(raw)
            if line and line not in lines[-REPEATED:]:
                lines.append(line)
                if show:
                    print(line, flush=True)
        status = process.wait()
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
    if status:
        raise CommandFailed(f"bentoml {arguments[0]}: {reason(told, lines, status)}", lines)
    return "\n".join(lines)


def readable(line: str) -> str:
    """Without the boxes and bars that are drawn around it, again and again."""
    return "" if BAR in line else COLORS.sub("", line).strip(BOX)


def reason(told: Sequence[str], lines: Sequence[str], status: int) -> str:
    """One line from what a command wrote to standard error, else from its last line."""
    text = COLORS.sub("", "".join(told)).strip()
    found = CLICK.search(text)
    if found:
        message = text[found.end() :].removeprefix(BLAMES_THE_FILE)
        if message.startswith("Failed to upload"):
            reasons = [more[1] for line in lines if (more := UPLOAD.search(line))]
            message = f"{message}: {reasons[-1]}" if reasons else message
    else:
        # Of a traceback, or of what is told on standard output only.
        rest = [line for line in (text.splitlines() or lines) if readable(line)]
        message = rest[-1].lstrip(SIREN) if rest else f"ended with status {status}"
    return _one_line(_answer(message))


def _answer(message: str) -> str:
    """With what the server says in place of the JSON in which it says it."""
    found = BODY.search(message)
    if not found:
        return message
    try:
        body = json.loads(found[0])
    except ValueError:
        return message
    said = body.get("error") or body.get("message")
    if not isinstance(said, str):
        return message
    return f"{message[: found.start()]}{said}{message[found.end() :]}"


def _one_line(message: str) -> str:
    parts = (" ".join(readable(line).split()) for line in message.splitlines())
    return "; ".join(part for part in parts if part)
