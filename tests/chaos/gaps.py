"""python -m tests.chaos.gaps BACKEND: how long the streams of others pause for a large request.

The exit status is 1 when one pauses for longer than --limit.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.load.run import run
from benchmarks.load.spec import Spec
from benchmarks.load.summary import percentile
from benchmarks.prompts import Order
from common.command_line import Parser, exit_status, text_table
from tests.chaos.overload import ECHO, request_fields
from tests.chaos.questions import questions
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, user
from tests.limits import DEADLINE
from tests.model_directories import demo_copy
from tests.service_process import loads_weights, start_service

CONTEXT = 2**17
WORD, WORD_TOKENS, TOKEN = "word ", 2, 71
"""A text and how many tokens of the demo model it is, and one of these."""
LONG = 100_000
"""Tokens of a long prompt."""
MESSAGES = 9_900
USERS = 4
HEAD = ["beside", "answer", "took", "longest gap", "p99"]


def large_requests(tokens: int) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Returns a path and a body by what they are."""
    text = WORD * (tokens // WORD_TOKENS)
    short = {"max_tokens": 4, "ignore_eos": True}
    turns = [user("a")[0], {"role": "assistant", "content": "b"}] * (MESSAGES // 2)
    return {
        f"a text of {tokens} tokens": (GENERATE, {"prompt": text, **short}),
        f"a message of {tokens} tokens": (CHAT, {"messages": user(text), **short}),
        f"{tokens} token ids": (COMPLETIONS, {"prompt": [TOKEN] * tokens, **short}),
        "250000 token ids": (COMPLETIONS, {"prompt": [TOKEN] * 250_000, **short}),
        f"{MESSAGES} messages": (CHAT, {"messages": [*turns, *user("c")], **short}),
        f"{MESSAGES} messages, counted": (
            "/v1/messages/count_tokens",
            {"messages": [*turns, *user("c")]},
        ),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = Parser(
        prog="python -m tests.chaos.gaps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("backend", metavar="BACKEND", help="as in services/")
    add("--tokens", type=int, default=LONG, help=f"of a long prompt ({LONG})")
    add("--seconds", type=float, default=6, help="for each large request, which comes twice (6)")
    add("--limit", type=float, default=0.25, help="seconds that a stream may pause (0.25)")
    options = parser.parse_args(arguments)
    return exit_status(lambda: asyncio.run(gaps(options)))


async def gaps(options: argparse.Namespace) -> int:
    """Returns 1 where a stream paused for too long."""
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Any] = {"max_model_len": CONTEXT}
        settings["model"] = demo_copy(Path(folder), max_position_embeddings=CONTEXT)
        if not loads_weights(options.backend):
            settings["engine_args"] = ECHO
        with start_service(options.backend, **settings) as service:
            rows, longest = [HEAD], 0.0
            requests = {"nothing": None, **large_requests(options.tokens)}
            for name, request in requests.items():
                found, answer, took = await beside(service.url, options.seconds, request)
                longest = max(longest, *found)
                rows.append([name, answer, f"{took:.2f} s", *map(milliseconds, found)])
    print(text_table(rows))
    return int(longest > options.limit)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


async def beside(
    url: str, seconds: float, request: tuple[str, Mapping[str, Any]] | None
) -> tuple[tuple[float, float], str, float]:
    """Returns the longest gap between two pieces of a stream and the 99th percentile, while the
    request comes; and its status and seconds."""
    spec = Spec.model_validate(
        {**request_fields(url), "users": USERS, "duration": seconds, "ramp": 0.0}
    )
    streams = asyncio.create_task(run(spec, Order(questions(), 0), start=time.monotonic_ns()))
    status, took = "", 0.0
    if request is not None:
        path, content = request
        async with httpx.AsyncClient(base_url=url, timeout=DEADLINE) as client:
            for _ in range(2):
                await asyncio.sleep(seconds / 4)
                begun = time.monotonic()
                answer = await client.post(path, json=content)
                status, took = str(answer.status_code), time.monotonic() - begun
    seen = [gap for each in (await streams).requests for gap in each.gaps]
    return (max(seen), percentile(seen, 99)), status, took


if __name__ == "__main__":
    sys.exit(main())
