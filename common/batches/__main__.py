"""Runs a file of requests over the HTTP API of a service.

    python -m common.batches requests.jsonl --out answers.jsonl

The lines have OpenAI's format of batches. The answers come in the same order. If the run is
stopped, the same command goes on where it ended. The variable LLM_API_KEY holds the API key.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import orjson

from common.batches.answers import Answer, Progress, resume
from common.batches.lines import check_lines, read_lines
from common.batches.run import AHEAD, Run, Unreachable
from common.command_line import Parser, exit_status
from common.errors import StartError

KEY = "LLM_API_KEY"
EVERY = 2.0
"""Seconds between two lines about the progress."""
SHOWN = 20
"""Bad lines that are named on the terminal."""


class Reporter:
    """Writes answers to a file, and now and then the progress to stderr."""

    def __init__(self, file: Path, total: int, progress: Progress) -> None:
        self._file = file.open("ab")
        self._total = total
        self._before = progress.lines
        self._begun = self._told = time.monotonic()
        self.progress = progress

    def write(self, answer: Answer) -> None:
        self._file.write(orjson.dumps(answer) + b"\n")
        self._file.flush()
        self.progress = self.progress.plus(answer)
        if time.monotonic() - self._told >= EVERY:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        speed = (self.progress.lines - self._before) / max(self._told - self._begun, 1e-3)
        say(
            f"{self.progress.lines} of {self._total} lines answered, {self.progress.failed} of "
            f"them with an error, {speed:.1f} a second"
        )

    def close(self) -> None:
        self._file.close()
        self.tell()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def check(file: Path) -> int:
    """Returns how many lines there are. Raises StartError, which names bad lines."""
    checked = check_lines(file, sys.maxsize)
    if not checked.faults:
        return checked.lines
    named = [f"line {each.line or 1}: {each.message}" for each in checked.faults[:SHOWN]]
    raise StartError(
        "\n".join(
            [f"{file}: {checked.bad} of {checked.lines} lines are bad, nothing was run", *named]
        )
    )


async def run(options: argparse.Namespace) -> None:
    total = check(options.requests)
    lines = read_lines(options.requests)
    progress = resume(options.out, lines)
    key = os.environ.get(KEY)
    headers = {} if not key else {"authorization": f"Bearer {key}"}
    at_once = httpx.Limits(max_connections=options.concurrency)
    async with httpx.AsyncClient(
        base_url=options.url, headers=headers, timeout=httpx.Timeout(None), limits=at_once
    ) as client:
        await reach(client)
        reporter = Reporter(options.out, total, progress)
        places = asyncio.Semaphore(options.concurrency)
        runner = Run(client, places, AHEAD * options.concurrency, options.patience)
        try:
            await runner.run(lines, reporter.write)
        finally:
            reporter.close()


async def reach(client: httpx.AsyncClient) -> None:
    """Raises StartError unless the service is there and takes the key."""
    try:
        response = await client.get("/v1/models")
    except httpx.TransportError as error:
        raise StartError(f"{client.base_url} does not answer: {error}") from None
    if response.status_code == 401:
        raise StartError(f"{client.base_url} needs an API key: set {KEY} to a valid one")


def parser() -> argparse.ArgumentParser:
    command = Parser(
        prog="python -m common.batches",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("requests", type=Path, help="file of requests, JSON lines")
    command.add_argument("--out", type=Path, required=True, help="file of answers, JSON lines")
    command.add_argument("--url", default="http://localhost:3000", help="(%(default)s)")
    command.add_argument(
        "--concurrency", type=int, default=32, help="requests sent at once (%(default)s)"
    )
    command.add_argument(
        "--patience",
        type=float,
        default=300,
        help="seconds without an answer after which the run ends (%(default)g)",
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.concurrency < 1:
        parser().error("--concurrency has to be 1 or more")
    return exit_status(
        lambda: asyncio.run(run(options)),
        StartError,
        Unreachable,
        interrupted="interrupted; the same command goes on from here",
    )


if __name__ == "__main__":
    sys.exit(main())
