"""python -m tests.fuzz URL: send inputs, print what came of them, exit 1 where one is a fault."""

import argparse
import asyncio
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.fuzz.attack import CANARIES, Attack, Options, Report
from tests.fuzz.requests import Input

SHOWN = 5
"""Faults of each kind that are printed, and bytes of what was sent."""
SHOWN_BYTES = 1000
RUN = re.compile(rb"(.)\1{99,}", re.DOTALL)
"""Matches the same byte a hundred times and more."""
BLOCK = 20_000
"""Inputs between two lines of progress."""


def part(options: Options, document: dict[str, Any], indices: range) -> Report:
    """Returns what came of some of the inputs; runs in a process of its own."""
    return asyncio.run(Attack(options, document).run(iter(indices)))


def fuzz(options: Options, indices: range, processes: int) -> Report:
    """Returns what came of the inputs `indices`."""
    headers = {} if options.key is None else {"authorization": f"Bearer {options.key}"}
    document = httpx.get(f"{options.url}/openapi.json", headers=headers).json()
    report = Report()
    with ProcessPoolExecutor(processes) as pool:
        for start in range(indices.start, indices.stop, BLOCK):
            end = min(start + BLOCK, indices.stop)
            parts = [range(first, end, processes) for first in range(start, start + processes)]
            for each in pool.map(part, [options] * processes, [document] * processes, parts):
                report.add(each)
            print(f"{report.inputs} inputs, {len(report.faults)} faults", flush=True)
    return report


def errors_in(log: Path | None) -> list[str]:
    """Returns the lines of a service's log that are errors, or begin a traceback."""
    if log is None:
        return []
    lines = log.read_text("utf-8", "replace").splitlines()
    return [line for line in lines if "[ERROR]" in line or line.startswith("Traceback")]


def describe(faults: list[tuple[str, Input]]) -> None:
    """Print how many faults of each kind there are, and the first of them."""
    kinds: dict[str, list[tuple[str, Input]]] = {}
    for what, sent in faults:
        kinds.setdefault(what.partition(":")[0], []).append((what, sent))
    for kind, some in kinds.items():
        print(f"{len(some)} x {kind}")
        for what, sent in some[:SHOWN]:
            print(f"  input {sent.index}: {what}\n    {RUN.sub(b'...', sent.data)[:SHOWN_BYTES]!r}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("url", help="of a running service that serves /openapi.json")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="the first input's number")
    parser.add_argument("--connections", type=int, default=16, help="of each process")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=30, help="seconds for each answer")
    parser.add_argument("--key", help="an API key of the service")
    parser.add_argument("--log", type=Path, help="the service's log, to look for errors in")
    parser.add_argument("--task", choices=CANARIES, default="generate", help="of the service")
    given = parser.parse_args(arguments)
    options = Options(
        given.url, given.seed, given.connections, given.deadline, given.key, given.task
    )
    begun = time.monotonic()
    report = fuzz(options, range(given.start, given.start + given.inputs), given.processes)
    seconds = time.monotonic() - begun
    errors = errors_in(given.log)
    describe(report.faults)
    for line in errors[:SHOWN]:
        print(f"log: {line}")
    print(f"answers by status: {dict(sorted(report.codes.items()))}")
    print(
        f"{report.inputs} inputs, {report.answers} answers in {seconds:.0f} s; "
        f"{len(report.faults)} faults, {len(errors)} errors in the log"
    )
    return 1 if report.faults or errors else 0


if __name__ == "__main__":
    sys.exit(main())
