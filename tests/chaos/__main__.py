"""python -m tests.chaos BACKEND: break a service in many ways while users ask it.

The exit status is 1 when a request did not end as it may, a counter differs, or something is left.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from common.command_line import Parser, exit_status, text_table
from tests.chaos.crowd import known_answers
from tests.chaos.faults import Fault, faults
from tests.chaos.outcomes import End
from tests.chaos.questions import questions, right_answers
from tests.chaos.rounds import Load, Round, attack
from tests.chaos.target import Target
from tests.service_process import loads_weights

SETTINGS = {"max_queue": 32, "stall_timeout": 5, "stall_grace": 60, "drain_timeout": 30}
ECHO = {"engine_args": {"itl": 0.005, "length": 24}}
HEAD = ["fault", "requests", *(each.value for each in End), "back after", "memory", ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = Parser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("backend", metavar="BACKEND", help="as in services/")
    add("--users", type=int, default=100, help="who ask at once (100)")
    add("--minutes", type=float, default=5, help="of all faults together, starts aside (5)")
    add("--hold", type=float, default=8, help="seconds that a fault lasts (8)")
    add("--places", type=int, default=48, help="answers at once; a third of them more may wait")
    add("--only", action="append", metavar="FAULT", help="a fault, by how its name begins")
    options = parser.parse_args(arguments)
    return exit_status(lambda: asyncio.run(chaos(options)), AssertionError)


async def chaos(options: argparse.Namespace) -> int:
    """Returns 1 where something was wrong."""
    settings = {**SETTINGS, "max_concurrency": options.places}
    weights = loads_weights(options.backend)
    settings |= {} if weights else ECHO
    target = Target(options.backend, settings)
    rounds: list[Round] = []
    try:
        chosen = named(faults(target), options.only)
        prompts = questions()
        answers = await known_answers(target.service.url, prompts)
        if weights:
            right = right_answers()
            wrong = [p for p in prompts if answers["chat", p.id] != right[p.turns[0]]]
            assert not wrong, f"wrong before anything broke: {wrong}"
        seconds = options.minutes * 60 / len(chosen)
        load = Load(options.users, seconds, options.hold, prompts, answers)
        for fault in chosen:
            rounds.append(await attack(target, fault, load))
            print(text_table([HEAD, line(rounds[-1])]), flush=True)
            for each in rounds[-1].wrong[:10]:
                print(f"  wrong: {each}", flush=True)
    finally:
        left = target.stop()
    print(text_table([HEAD, *map(line, rounds)]))
    for each in left:
        print(f"left: {each}")
    return int(bool(left) or any(each.wrong for each in rounds))


def named(found: Sequence[Fault], names: Sequence[str] | None) -> list[Fault]:
    """Returns the faults whose names begin so, all where nothing is named."""
    for name in names or ():
        known = ", ".join(each.name for each in found)
        assert name in {each.name[: len(name)] for each in found}, f"no {name!r}; there are {known}"
    return [each for each in found if each.name.startswith(tuple(names or [""]))]


def line(done: Round) -> list[str]:
    both = done.during, done.after
    ends = [str(sum(ledger.ends[end] for ledger in both)) for end in End]
    back = "" if done.back is None else f"{done.back:.1f} s"
    verdict = done.left_out or (f"{len(done.wrong)} wrong" if done.wrong else "all right")
    total = str(sum(ledger.total for ledger in both))
    return [done.fault, total, *ends, back, f"{done.memory / 1e6:.0f} MB", verdict]


if __name__ == "__main__":
    sys.exit(main())
