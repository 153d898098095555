"""What is done to a service, what that may cost its clients, and how it is undone."""

import importlib.util
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import httpx
import psutil

from tests.chaos.target import Target
from tests.limits import DEADLINE

STANDARD_FILES = 3
"""The numbers below it are taken: under this limit no file can be opened, whichever is closed."""
LARGE, LARGE_AT_ONCE = 7 * 2**20, 8
"""Characters of a text that takes much memory, and how many are sent where there is none."""


FAKETIME, CLOCK = "libfaketime", "clock"
CLOCK_SECONDS = 2.0
"""After which the library has read the file again."""

AT_LARGE_TEXTS = (None, "", "context_length_exceeded", "overloaded", "no_space")


class Cost(Enum):
    """What clients may lose: nothing, answers that have not begun, or those that have, too."""

    NOTHING = 0
    UNBEGUN = 1
    BEGUN = 2


Strike = Callable[[Target], AbstractContextManager[object]]


class NotHere(Exception):
    """A fault cannot be made on this machine, or has no object in this service."""


@dataclass(frozen=True)
class Fault:
    """Strikes at the begin of a block and is lifted at its end. `leaving` is the share of clients
    that leave before their answer is whole; `told` is whether the service may tell errors;
    `variables` are those that it has to be started with."""

    name: str
    strike: Strike
    cost: Cost = Cost.NOTHING
    told: bool = False
    leaving: float = 0.05
    variables: Callable[[Target], dict[str, str]] | None = None


@contextmanager
def nothing(target: Target) -> Iterator[None]:
    yield


@contextmanager
def terminated(target: Target) -> Iterator[None]:
    """The service is asked to end, and has to end well."""
    target.look()
    target.service.process.send_signal(signal.SIGTERM)
    yield
    assert target.service.process.wait(60) == 0, "it ended with a failure"


def killed(pick: Callable[[Target], psutil.Process]) -> Strike:
    """Returns the fault that kills a process."""

    @contextmanager
    def strike(target: Target) -> Iterator[None]:
        target.look()
        pick(target).kill()
        yield

    return strike


def stopped(pick: Callable[[Target], psutil.Process]) -> Strike:
    """Returns the fault that stops a process, which goes on afterwards."""

    @contextmanager
    def strike(target: Target) -> Iterator[None]:
        process = pick(target)
        process.suspend()
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    return strike


def limited(number: int, limit: Callable[[psutil.Process], int]) -> Strike:
    """Returns the fault by which the process that serves gets no more of a resource."""

    @contextmanager
    def strike(target: Target) -> Iterator[None]:
        process = serving(target)
        before = process.rlimit(number)
        process.rlimit(number, (limit(process), before[1]))
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                process.rlimit(number, before)

    return strike


no_files = limited(resource.RLIMIT_NOFILE, lambda _: STANDARD_FILES)


@contextmanager
def no_memory(target: Target) -> Iterator[None]:
    """What is free already can be used, and large texts come besides that need more."""
    limit = limited(resource.RLIMIT_AS, lambda each: each.memory_info().vms)
    with limit(target), ThreadPoolExecutor(LARGE_AT_ONCE) as pool:
        for code in pool.map(tokenize_large, [target.service.url] * LARGE_AT_ONCE):
            assert code in AT_LARGE_TEXTS, f"a large text got {code}"
        yield


def tokenize_large(url: str) -> str | None:
    """Returns the code of the answer, "" of one that is no error, None where the connection was
    lost. No counter has it."""
    with suppress(httpx.HTTPError):
        body = {"prompt": "word " * (LARGE // 5)}
        answer = httpx.post(f"{url}/tokenize", json=body, timeout=DEADLINE)
        return "" if answer.is_success else str(answer.json()["error"]["code"])
    return None


@contextmanager
def full_disk(target: Target) -> Iterator[None]:
    """Nothing more can be written, to the log neither."""
    if target.ground not in target.mounted:
        with limited(resource.RLIMIT_FSIZE, lambda _: 0)(target):
            yield
        return
    filler = target.ground / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    try:
        assert upload(target.service.url) == "no_space"
        yield
    finally:
        filler.unlink()


def upload(url: str) -> str:
    """Returns the code of the error for a file that takes disk space."""
    file = {"file": ("requests.jsonl", bytes(LARGE))}
    answer = httpx.post(f"{url}/v1/files", files=file, data={"purpose": "batch"}, timeout=DEADLINE)
    return str(answer.json()["error"]["code"])


@contextmanager
def read_only_home(target: Target) -> Iterator[None]:
    """The home cannot be written to, and the process that serves is started anew."""
    if target.home not in target.mounted:
        raise NotHere("this user may not mount a file system")
    remount = ["mount", "-o", "remount,ro", str(target.home)]
    done = subprocess.run(remount, capture_output=True, text=True)
    if done.returncode:
        raise NotHere(done.stderr.strip())
    with killed(serving)(target):
        yield


def clock_variables(target: Target) -> dict[str, str]:
    """Returns the variables with which the wall clock, and no other, is that of a file."""
    package = importlib.util.find_spec(FAKETIME)
    if package is None or package.origin is None:
        raise NotHere("pip install libfaketime")
    (library,) = Path(package.origin).parent.rglob("libfaketime.so.1")
    file = target.folder / CLOCK
    file.write_text("+0")
    return {
        "ld_preload": str(library),
        "faketime_timestamp_file": str(file),
        "faketime_cache_duration": "1",
        "dont_fake_monotonic": "1",
    }


@contextmanager
def jumping_clock(target: Target) -> Iterator[None]:
    """The wall clock goes a day ahead, then two back, and is right again."""
    file = target.folder / CLOCK
    try:
        for offset in ("+1d", "-1d"):
            file.write_text(offset)
            time.sleep(CLOCK_SECONDS)
        yield
    finally:
        file.write_text("+0")


def serving(target: Target) -> psutil.Process:
    process = target.worker()
    if process is None:
        raise NotHere("no process serves")
    return process


def one_named(name: str) -> Callable[[Target], psutil.Process]:
    return lambda target: target.engine_processes()[name]


def faults(target: Target) -> list[Fault]:
    """Returns all that can be done to this service; its engine's processes are those it has now."""
    found = [
        Fault("none", nothing),
        Fault("clients leave", nothing, leaving=0.5),
        Fault("SIGSTOP of the worker", stopped(serving)),
        Fault("no file descriptors", no_files, Cost.UNBEGUN, told=True, leaving=0.3),
        Fault("no memory", no_memory, Cost.BEGUN, told=True),
        Fault("full disk", full_disk),
        Fault("clock jumps", jumping_clock, variables=clock_variables),
        Fault("SIGTERM", terminated, Cost.UNBEGUN),
        Fault("SIGKILL of the worker", killed(serving), Cost.BEGUN),
        Fault("read-only home", read_only_home, Cost.BEGUN),
    ]
    for name in target.engine_processes():
        found.append(Fault(f"SIGSTOP of {name}", stopped(one_named(name)), told=True))
        found.append(Fault(f"SIGKILL of {name}", killed(one_named(name)), Cost.UNBEGUN, told=True))
    return found
