"""One client process of several, with its task as JSON on standard input."""

import sys

import uvloop
from pydantic import BaseModel, ConfigDict

from benchmarks.load.share import share
from benchmarks.load.spec import Spec
from benchmarks.prompts import PromptSet


class Task(BaseModel):
    """`start` is a stamp of time.monotonic_ns(), a clock that all processes of a machine share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: Spec
    prompts: PromptSet
    start: int
    shard: int


def main() -> None:
    task = Task.model_validate_json(sys.stdin.buffer.read())
    spec = task.spec
    order = task.prompts.order(spec.seed)
    made = uvloop.run(share(spec, order, start=task.start, shard=task.shard, shards=spec.procs))
    sys.stdout.write(made.model_dump_json())


if __name__ == "__main__":
    main()
