"""One client process of several: its task and then the start as lines on standard input, what it
has to say as lines on standard output, its share as the last."""

import os
import signal
import sys
import threading

import uvloop
from pydantic import BaseModel, ConfigDict

from benchmarks.load.glance import Glance
from benchmarks.load.share import share
from benchmarks.load.spec import Spec
from benchmarks.prompts import PromptSet

READY, SHARE = "ready", "share"


class Task(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: Spec
    prompts: PromptSet
    shard: int


def main() -> None:
    """The start is a stamp of time.monotonic_ns(), a clock that all processes of a machine share;
    without one the parent is gone."""
    # A Ray actor has it blocked, which a child inherits.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    task = Task.model_validate_json(sys.stdin.readline())
    spec = task.spec
    order = task.prompts.order(spec.seed)
    _say(READY)
    start = sys.stdin.readline()
    if not start:
        return
    threading.Thread(target=_end_with_the_parent, daemon=True).start()

    def tell(glance: Glance) -> None:
        _say(glance.model_dump_json())

    made = uvloop.run(
        share(spec, order, start=int(start), shard=task.shard, shards=spec.procs, told=tell)
    )
    _say(SHARE)
    _say(made.model_dump_json())


def _end_with_the_parent() -> None:
    """Standard input has nothing more to say but that: nobody is left to take the share."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
