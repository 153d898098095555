"""Stands in for the load client: takes its flags, refuses others, and leaves a result at once.

STAND_IN says by the number of users what it does instead, as JSON; STAND_IN_CALLS is a file that
gets a line for each call.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from benchmarks.load.spec import Spec
from benchmarks.results.files import write
from benchmarks.results.schema import (
    Environment,
    Outcome,
    Phase,
    Prompts,
    Request,
    Result,
    Subject,
    Verdict,
)

NUMBERS = (
    "users", "rate", "duration", "ramp", "window", "warmup", "drain", "timeout", "max-tokens",
    "temperature", "turns", "procs", "min-prompt-tokens", "max-prompt-tokens", "prompt-count",
    "min-prompt-words", "max-prompt-words",
    "seed", "ttft-limit", "tpot-limit", "end-to-end-limit", "price-per-hour", "pid",
)  # fmt: skip
WORDS = (
    "engine",
    "mode",
    "protocol",
    "model",
    "prompts",
    "metrics-url",
    "system-prompt",
    "reset-cache",
)


def result(
    options: argparse.Namespace, *, reasons: tuple[str, ...] = (), good: bool = True
) -> Result:
    outcome = Outcome.OK if good else Outcome.HTTP_ERROR
    phase = Phase(
        start=0, end=options.duration, tokens_per_second=10, tokens_per_second_per_user=5,
        requests_per_second=1, outcomes={outcome: 3}, ttft=None, tpot=None, gap=None,
        end_to_end=None, prompt_tokens=3, output_tokens=30, tokens_per_chunk=1,
    )  # fmt: skip
    return Result(
        started_at="2026-01-01T00:00:00Z",
        subject=Subject.model_validate_json(options.subject.read_text()),
        load=Spec(
            url=options.url, mode=options.mode, users=options.users, rate=options.rate,
            ramp=options.ramp,
            duration=options.duration, window=options.window, protocol=options.protocol,
            timeout=options.timeout,
        ),
        prompts=Prompts(source=options.prompts, count=3, hash="0", seed=int(options.seed)),
        environment=Environment(versions={}, host="here", cpus=1),
        verdict=Verdict(
            valid=not reasons, reasons=reasons, loop_lag_p99=0, client_cpu=0,
            client_cpu_per_1000_tokens=0, send_lag_p99=0, users_reached=1,
        ),
        ramp=None, plateau=phase, drain=None, windows=(),
    )  # fmt: skip


def request(good: bool) -> Request:
    return Request(
        index=0, user=0, prompt="p", sent=0, ended=1,
        outcome=Outcome.OK if good else Outcome.HTTP_ERROR,
        error=None if good else "404: no such model",
    )  # fmt: skip


def note_the_call() -> None:
    if calls := os.environ.get("STAND_IN_CALLS"):
        with Path(calls).open("a") as file:
            print(" ".join(sys.argv[1:]), file=file)


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("url")
    for name in NUMBERS:
        parser.add_argument(f"--{name}", type=float)
    for name in WORDS:
        parser.add_argument(f"--{name}")
    parser.add_argument("--ignore-eos", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--subject", type=Path, required=True)
    options = parser.parse_args()
    options.users = None if options.users is None else int(options.users)
    act = json.loads(os.environ.get("STAND_IN", "{}")).get(str(options.users), "ok")
    print("window 1: 10 tokens/s", flush=True)
    reasons: tuple[str, ...] = ()
    try:
        note_the_call()
        if act == "hang":
            signal.pause()
    except KeyboardInterrupt:
        reasons = ("it was interrupted",)
    if act == "fail":
        print("error: the prompts are gone", file=sys.stderr)
        return 1
    if act == "void":
        reasons = ("the client used 99 % of its core",)
    if act != "nothing":
        good = act != "errors"
        write(options.out, result(options, reasons=reasons, good=good), [request(good)])
    return 3 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
