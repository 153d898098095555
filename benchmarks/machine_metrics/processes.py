"""CPU and memory of process trees: the API process and the engine's told apart."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import psutil

from benchmarks.machine_metrics.recorder import Key, Reading
from benchmarks.results.schema import Source

BENTOML_WORKER = "_bentoml_impl.worker"
GUARDIAN = "common.processes.worker_guard"


class Member(NamedTuple):
    """`role` is api, engine or supervisor; an engine inside the API process counts there."""

    process: psutil.Process
    role: str


class Trees:
    """The processes `roots` with all that they start.

    `cpu` is in cores (1 is one core all the time) since the reading before; `memory` is the sum of
    resident sets, in which pages that processes share count for each.
    """

    def __init__(
        self, roots: Sequence[int], source: Source, *, roles: bool, without: Iterable[int] = ()
    ) -> None:
        self._roots = roots
        self._source = source
        self._roles = roles
        self._without = frozenset(without)
        self._before: dict[psutil.Process, float] = {}
        self._read_at = 0.0
        self._known: dict[psutil.Process, str] = {}

    def read(self) -> list[Reading]:
        now = time.monotonic()
        cpu: dict[str, float] = {}
        memory: dict[str, float] = {}
        seconds: dict[psutil.Process, float] = {}
        for process, role in self._members():
            try:
                with process.oneshot():
                    times, resident = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue
            seconds[process] = times.user + times.system
            used = seconds[process] - self._before.get(
                process, 0.0 if self._before else seconds[process]
            )
            cpu[role] = cpu.get(role, 0.0) + used
            memory[role] = memory.get(role, 0.0) + resident
        passed = now - self._read_at
        first, self._before, self._read_at = not self._before, seconds, now
        readings = [self._reading("memory", "bytes", role, value) for role, value in memory.items()]
        if not first and passed > 0:
            readings += [self._reading("cpu", "ratio", r, used / passed) for r, used in cpu.items()]
        return readings

    def _reading(self, name: str, unit: str, role: str, value: float) -> Reading:
        labels = (("role", role),) if self._roles else ()
        return Key(self._source, name, unit, labels), value

    def _members(self) -> Iterator[Member]:
        found: dict[psutil.Process, None] = {}
        for pid in self._roots:
            try:
                root = psutil.Process(pid)
                found.update(dict.fromkeys([root, *root.children(recursive=True)]))
            except psutil.Error:
                continue
        present = [process for process in found if process.pid not in self._without]
        if any(process not in self._known for process in present):
            self._known = roles(present) if self._roles else dict.fromkeys(present, "")
        for process in present:
            yield Member(process, self._known[process])


def roles(processes: Sequence[psutil.Process]) -> dict[psutil.Process, str]:
    """With a worker of BentoML's among them, that is the API process; else the first one is.

    What an API process starts is the engine's.
    """
    lines = {process: _command(process) for process in processes}
    workers = {process.pid for process, line in lines.items() if _has(line, BENTOML_WORKER)}
    api = workers or {process.pid for process in processes[:1]}
    below = set(api)
    found = {}
    for process in processes:  # a parent comes before its children
        if process.pid in api:
            found[process] = "api"
        elif _parent(process) in below and not _has(lines[process], GUARDIAN):
            below.add(process.pid)
            found[process] = "engine"
        else:
            found[process] = "supervisor"
    return found


def _has(command: Sequence[str], module: str) -> bool:
    return any(part.startswith(module) for part in command)


def _command(process: psutil.Process) -> Sequence[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None
