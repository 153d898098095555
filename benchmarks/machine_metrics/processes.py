"""CPU and memory of process trees, with the API process apart from the engine's."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import psutil

from benchmarks.machine_metrics.recorder import Reading, SeriesKey
from benchmarks.results.schema import Source

BENTOML_WORKER = "_bentoml_impl.worker"
WORKER_GUARD = "common.processes.worker_guard"


class Usage(NamedTuple):
    """`cpu` in seconds since the process began, `memory` in bytes."""

    cpu: float
    memory: int


class ProcessTrees:
    """The processes `roots` with all that they start.

    A process' role is api, engine or supervisor; an engine inside the API process counts there.
    `cpu` is in cores (1 is one core all the time) since the reading before; `memory` is the sum of
    resident sets, in which pages that processes share count for each.
    """

    def __init__(
        self,
        roots: Sequence[int],
        source: Source,
        *,
        by_role: bool,
        excluded: Iterable[int] = (),
    ) -> None:
        self._roots = roots
        self._source = source
        self._by_role = by_role
        self._excluded = frozenset(excluded)
        self._before: dict[psutil.Process, Usage] = {}
        self._read_at = 0.0
        self._roles: dict[psutil.Process, str] = {}

    def read(self) -> list[Reading]:
        """Returns the memory of each role, and from the second reading on its CPU."""
        now, before = time.monotonic(), self._before
        usages = dict(self._usages())
        cpu: dict[str, float] = {}
        memory: dict[str, float] = {}
        for process, usage in usages.items():
            role = self._roles[process]
            began = before[process].cpu if process in before else 0.0
            cpu[role] = cpu.get(role, 0.0) + usage.cpu - began
            memory[role] = memory.get(role, 0.0) + usage.memory
        seconds = now - self._read_at
        self._before, self._read_at = usages, now
        readings = [self._reading("memory", "bytes", role, value) for role, value in memory.items()]
        if before and seconds > 0:
            readings += [
                self._reading("cpu", "ratio", r, used / seconds) for r, used in cpu.items()
            ]
        return readings

    def _reading(self, name: str, unit: str, role: str, value: float) -> Reading:
        labels = (("role", role),) if self._by_role else ()
        return SeriesKey(self._source, name, unit, labels), value

    def _usages(self) -> Iterator[tuple[psutil.Process, Usage]]:
        for process in self._processes():
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue
            yield process, Usage(times.user + times.system, memory)

    def _processes(self) -> list[psutil.Process]:
        """Returns those that live; each of them then has a role."""
        members: dict[psutil.Process, None] = {}
        for pid in self._roots:
            try:
                root = psutil.Process(pid)
                members.update(dict.fromkeys([root, *root.children(recursive=True)]))
            except psutil.Error:
                continue
        processes = [process for process in members if process.pid not in self._excluded]
        if any(process not in self._roles for process in processes):
            self._roles = roles(processes) if self._by_role else dict.fromkeys(processes, "")
        return processes


def roles(processes: Sequence[psutil.Process]) -> dict[psutil.Process, str]:
    """Returns the role of each process; a parent comes before its children.

    The API process is a worker of BentoML's, or the first process where there is none. What it
    starts is the engine's.
    """
    commands = {process: _command(process) for process in processes}
    workers = {process.pid for process, line in commands.items() if _runs(line, BENTOML_WORKER)}
    api = workers or {process.pid for process in processes[:1]}
    descendants = set(api)
    by_process = {}
    for process in processes:
        if process.pid in api:
            by_process[process] = "api"
        elif _parent(process) in descendants and not _runs(commands[process], WORKER_GUARD):
            descendants.add(process.pid)
            by_process[process] = "engine"
        else:
            by_process[process] = "supervisor"
    return by_process


def _runs(command: Sequence[str], module: str) -> bool:
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
