"""The proof that a stopped service left nothing: no process, no port, no GPU memory."""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

from benchmarks.machine_metrics.gpus import GPUs
from common.processes.marks import kill_marked, marked_processes

MARK = "LLM_STUDY_MARK"
"""In the environment of a service and of what it starts, in whatever group or session."""
PROCESS_TIMEOUT = 10.0
GPU_TIMEOUT = 60.0
"""Seconds: a driver frees the memory of a dead process with some delay."""
INTERVAL = 0.1
GPU_TOLERANCE = 512 * 2**20
"""Bytes that the driver itself may keep, or another program take."""


def gpu_memory() -> Mapping[str, int]:
    """Returns the bytes used of each GPU; empty without one."""
    return {memory.gpu: memory.used for memory in GPUs().memory()}


def left(mark: str, port: int, gpu_before: Mapping[str, int]) -> tuple[str, ...]:
    """Returns a sentence for each thing that is left in the end; none is the proof. Blocks."""
    sentences = [
        _processes(mark),
        None if port_is_free(port) else f"port {port} is still taken",
        _gpu_memory(gpu_before),
    ]
    return tuple(sentence for sentence in sentences if sentence is not None)


def port_is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def _processes(mark: str) -> str | None:
    """Kills those that are left after a while. Returns a sentence of those that stay."""
    deadline = time.monotonic() + PROCESS_TIMEOUT
    while any(marked_processes(MARK, mark)) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
    alive = kill_marked(MARK, mark, PROCESS_TIMEOUT)
    if not alive:
        return None
    names = ", ".join(f"{process.pid} ({_name(process)})" for process in alive)
    return f"killed and not gone: process {names}"


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return str(process.name())
    return "?"


def _gpu_memory(before: Mapping[str, int]) -> str | None:
    deadline = time.monotonic() + GPU_TIMEOUT
    while True:
        kept = {gpu: used - before.get(gpu, 0) for gpu, used in gpu_memory().items()}
        kept = {gpu: more for gpu, more in kept.items() if more > GPU_TOLERANCE}
        if not kept:
            return None
        if time.monotonic() > deadline:
            return "; ".join(
                f"GPU {gpu} has {more / 2**30:.1f} GiB more in use than before the start"
                for gpu, more in kept.items()
            )
        time.sleep(INTERVAL)
