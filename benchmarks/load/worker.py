"""One client process of several, as `python -m benchmarks.load.worker`: it reads its task and then
the start as lines on standard input, writes its reports as lines on standard output, its result
last."""

import os
import signal
import sys
import threading

import uvloop
from pydantic import BaseModel, ConfigDict

from benchmarks.load.run import ProgressReport, run
from benchmarks.load.spec import Spec
from benchmarks.prompts import PromptSet

READY, RESULT = "ready", "result"


class WorkerTask(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: Spec
    prompts: PromptSet
    shard: int


def main() -> None:
    """Runs the task. The start is a stamp of time.monotonic_ns(), a clock that all processes of a
    machine share; without one the parent is gone."""
    # A Ray actor has it blocked, which a child inherits.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    task = WorkerTask.model_validate_json(sys.stdin.readline())
    spec = task.spec
    order = task.prompts.order(spec.seed)
    _write(READY)
    start = sys.stdin.readline()
    if not start:
        return
    threading.Thread(target=_end_with_the_parent, daemon=True).start()

    def report(progress: ProgressReport) -> None:
        _write(progress.model_dump_json())

    shard, shards = task.shard, spec.procs
    times = task.prompts.times
    result = uvloop.run(
        run(spec, order, start=int(start), shard=shard, shards=shards, times=times, report=report)
    )
    _write(RESULT)
    _write(result.model_dump_json())


def _end_with_the_parent() -> None:
    """Ends this process when standard input ends: nobody is left to take the result."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _write(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
