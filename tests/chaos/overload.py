"""python -m tests.chaos.overload BACKEND: ask ten times as much as a service can do.

The exit status is 1 when the accepted wait too long, less is done than at capacity, or somebody
sees something else than an answer or a refusal.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.load.request import body, open_session
from benchmarks.load.run import run
from benchmarks.load.spec import Spec
from benchmarks.load.summary import percentile, ttft
from benchmarks.prompts import Order
from benchmarks.results.schema import Outcome, Request
from common.command_line import Parser, exit_status, text_table
from common.settings import Settings
from tests.chaos.questions import questions
from tests.service_process import loads_weights, start_service

TIMES = 10
TTFT_RATIO, GOODPUT_RATIO = 2.0, 0.95
ECHO = {"ttft": 0.2, "itl": 0.02}
TOKENS = 32
"""Of each answer."""
SETTLED = 2.0
"""Seconds until a load has reached its level; times to the first token are taken from then on."""
HEAD = ["load", "asked/s", "done/s", "ratio", "TTFT p50", "p95", "ratio", "p95 before", "429"]


@dataclass(frozen=True)
class Seen:
    """What the users of a load saw once it had settled, and before. Times are in seconds, rates per
    second."""

    asked: float
    done: float
    ttft: float
    ttft_95: float
    ttft_95_before: float
    refused: int
    others: Counter[str]

    @classmethod
    def of(cls, requests: Sequence[Request], seconds: float, settled: float) -> "Seen":
        span = seconds - settled
        later = [each for each in requests if settled <= each.sent < seconds]
        well = [each for each in requests if each.outcome is Outcome.OK]
        before = [each for each in requests if each.sent < settled]
        refused = [each for each in requests if each.status == 429]
        others = Counter(f"{each.outcome} {each.status}" for each in requests)
        del others[f"{Outcome.OK} 200"], others[f"{Outcome.HTTP_ERROR} 429"]
        return cls(
            asked=len(later) / span,
            done=sum(settled <= each.ended < seconds for each in well) / span,
            ttft=percentile(_first_tokens(later), 50),
            ttft_95=percentile(_first_tokens(later), 95),
            ttft_95_before=percentile(_first_tokens(before), 95),
            refused=len(refused),
            others=others,
        )

    def row(self, name: str, base: "Seen") -> list[str]:
        return [
            name,
            f"{self.asked:.1f}",
            f"{self.done:.1f}",
            f"{self.done / base.done:.2f}",
            f"{self.ttft:.3f} s",
            f"{self.ttft_95:.3f} s",
            f"{self.ttft_95 / base.ttft_95:.2f}",
            f"{self.ttft_95_before:.3f} s",
            str(self.refused),
        ]


def _first_tokens(requests: Sequence[Request]) -> list[float]:
    return [value for each in requests if (value := ttft(each)) is not None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = Parser(
        prog="python -m tests.chaos.overload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("backend", metavar="BACKEND", help="as in services/")
    add("--places", type=int, default=8, help="answers at once (8)")
    add("--seconds", type=float, default=15, help="of each load (15)")
    rush = Settings.model_fields["max_queue_wait"].default
    add("--wait", type=float, default=rush, metavar="SECONDS", help=f"max_queue_wait ({rush})")
    add("--standing", type=float, metavar="SECONDS", help="standing_queue_wait (not set)")
    options = parser.parse_args(arguments)
    return exit_status(lambda: overload(options))


def overload(options: argparse.Namespace) -> int:
    """Returns 1 where something was wrong."""
    settings: dict[str, Any] = {
        "max_concurrency": options.places,
        "max_queue_wait": options.wait,
    }
    if options.standing is not None:
        settings["standing_queue_wait"] = options.standing
    if not loads_weights(options.backend):
        settings["engine_args"] = ECHO
    with start_service(options.backend, **settings) as service:
        before = loaded(service.url, options, users=options.places)
        beyond = loaded(service.url, options, rate=TIMES * before.done, rush=options.wait)
        after = loaded(service.url, options, users=options.places)
        took, refusals = asyncio.run(patient(service.url, TIMES * options.places))
    # A machine that is busy with others has not the same speed all the time.
    base = replace(
        before,
        done=(before.done + after.done) / 2,
        ttft_95=(before.ttft_95 + after.ttft_95) / 2,
    )
    loads = {"capacity": before, f"{TIMES} times": beyond, "capacity again": after}
    print(text_table([HEAD, *(seen.row(name, base) for name, seen in loads.items())]))
    ideal = TIMES * options.places / base.done
    print(
        f"{TIMES * options.places} clients that obey Retry-After: {took:.1f} s, "
        f"{took / ideal:.2f} of the ideal {ideal:.1f} s, {refusals} refusals"
    )
    wrong = [f"seen: {dict(beyond.others)}"] if beyond.others else []
    if beyond.ttft_95 > TTFT_RATIO * base.ttft_95:
        wrong.append(f"the accepted waited more than {TTFT_RATIO:g} times as long")
    if beyond.done < GOODPUT_RATIO * base.done:
        wrong.append(f"less than {GOODPUT_RATIO:g} of the capacity was done")
    for each in wrong:
        print(f"wrong: {each}")
    return int(bool(wrong))


def loaded(url: str, options: argparse.Namespace, rush: float = 0.0, **level: float) -> Seen:
    """Returns what a load of so many users, or of such a rate, saw, after a `rush` of seconds."""
    mode = "poisson" if "rate" in level else "closed"
    shape = {"mode": mode, "duration": options.seconds + rush, "ramp": 0.0}
    spec = Spec.model_validate({**request_fields(url), **level, **shape})
    done = asyncio.run(run(spec, Order(questions(), 0), start=time.monotonic_ns()))
    return Seen.of(done.requests, spec.duration, SETTLED + rush)


def request_fields(url: str) -> dict[str, Any]:
    shape = {"max_tokens": TOKENS, "ignore_eos": True, "temperature": 0.0}
    return {"url": url, "model": "default", "protocol": "chat", "drain": 90.0, **shape}


async def patient(url: str, clients: int) -> tuple[float, int]:
    """Returns the seconds until all of the clients have an answer, who come again when they are
    told to, and how often they were sent away."""
    spec, asked = Spec.model_validate(request_fields(url)), questions()
    refusals = 0
    async with open_session() as session:

        async def ask(number: int) -> None:
            nonlocal refusals
            prompt = asked[number % len(asked)]
            data = body(spec, prompt.turns[:1], prompt)
            while True:
                async with session.post(f"{url}/v1/chat/completions", data=data) as answer:
                    await answer.read()
                    if answer.status == 200:
                        return
                    assert answer.status == 429, await answer.text()
                    wait = int(answer.headers["retry-after"])
                refusals += 1
                await asyncio.sleep(wait)

        begun = time.monotonic()
        await asyncio.gather(*map(ask, range(clients)))
        return time.monotonic() - begun, refusals


if __name__ == "__main__":
    sys.exit(main())
