"""Stands in for the load client: takes its command line, and leaves a result at once.

STAND_IN says by the number of users what it does instead, as JSON; STAND_IN_CALLS is a file that
gets the load of each call, as a line.
"""

import json
import os
import signal
import sys
from pathlib import Path

from benchmarks.load.options import parsed
from benchmarks.load.spec import Spec
from benchmarks.load.sweep_spec import SweepSpec
from benchmarks.results.files import write, write_sweep
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
from benchmarks.results.sweep import Sweep


def result(
    spec: Spec, subject: Subject, *, reasons: tuple[str, ...] = (), good: bool = True
) -> Result:
    outcome = Outcome.OK if good else Outcome.HTTP_ERROR
    phase = Phase(
        start=0, end=spec.duration, tokens_per_second=10, tokens_per_second_per_user=5,
        requests_per_second=1, outcomes={outcome: 3}, ttft=None, tpot=None, gap=None,
        end_to_end=None, prompt_tokens=3, output_tokens=30, tokens_per_chunk=1,
    )  # fmt: skip
    return Result(
        started_at="2026-01-01T00:00:00Z",
        subject=subject,
        load=spec,
        prompts=Prompts(source=spec.prompts.source, count=3, hash="0", seed=spec.seed),
        environment=Environment(versions={}, host="here", cpus=1),
        verdict=Verdict(
            valid=not reasons, reasons=reasons, loop_lag_p99=0, client_cpu=0,
            client_cpu_per_1000_tokens=0, send_lag_p99=0, users_reached=1,
        ),
        ramp=None, plateau=phase, drain=None, windows=(),
    )  # fmt: skip


def sweep(spec: SweepSpec) -> Sweep:
    """Returns one that ended before its first run,."""
    return Sweep(
        started_at="2026-01-01T00:00:00Z",
        subject=Subject(backend="b", model="m", url=spec.url),
        unit=spec.unit,
        limits=spec.limits,
        settings=spec.sweep,
        end="enough",
    )


def request(good: bool) -> Request:
    return Request(
        index=0, user=0, prompt="p", sent=0, ended=1,
        outcome=Outcome.OK if good else Outcome.HTTP_ERROR,
        error=None if good else "404: no such model",
    )  # fmt: skip


def note_the_call(spec: Spec) -> None:
    if calls := os.environ.get("STAND_IN_CALLS"):
        with Path(calls).open("a") as file:
            print(spec.model_dump_json(), file=file)


def main() -> int:
    options, spec = parsed(None)
    act = json.loads(os.environ.get("STAND_IN", "{}")).get(str(spec.users), "ok")
    print("window 1: 10 tokens/s", flush=True)
    reasons: tuple[str, ...] = ()
    try:
        note_the_call(spec)
        if act == "hang":
            signal.pause()
    except KeyboardInterrupt:
        reasons = ("it was interrupted",)
    if act == "fail":
        print("error: the prompts are gone", file=sys.stderr)
        return 1
    if act == "void":
        reasons = ("the client used 99 % of its core",)
    if isinstance(spec, SweepSpec):
        write_sweep(options.out, sweep(spec))
    elif act != "nothing":
        good = act != "errors"
        subject = Subject.model_validate_json(options.subject.read_text())
        write(options.out, result(spec, subject, reasons=reasons, good=good), [request(good)])
    return 3 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
