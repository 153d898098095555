"""The sampling process: it samples until its standard input ends, then prints all its samples.

It is a process of its own so that reading a large /metrics page never holds up the client's event
loop. Its clock is time.monotonic, which all processes of a machine share.
"""

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from urllib.error import HTTPError

from benchmarks.machine_metrics.gpus import GPUs
from benchmarks.machine_metrics.processes import ProcessTrees
from benchmarks.machine_metrics.prometheus import TIMEOUT, scrape
from benchmarks.machine_metrics.recorder import Recorder
from benchmarks.machine_metrics.sampler import Samples, SamplingTask

READY = "ready"


def main(task: SamplingTask) -> None:
    recorder = Recorder()
    ended = threading.Event()
    scraper = None
    if task.metrics_url is not None:
        scraper = threading.Thread(target=_scrape_until, args=[task, recorder, ended], daemon=True)
        scraper.start()
    sample = _local_sampling(task, recorder)
    sample()
    print(READY, flush=True)
    due = time.monotonic() + task.interval
    while not _input_ended(due - time.monotonic()):
        sample()
        due = _next_tick(due, task.interval)
    ended.set()
    if due - time.monotonic() < task.interval / 2:  # over less, CPU times are too coarse
        sample()
    if scraper is not None:
        scraper.join(TIMEOUT + 1)
    print(Samples(series=tuple(recorder.series()), warnings=recorder.warnings).model_dump_json())


def _local_sampling(task: SamplingTask, recorder: Recorder) -> Callable[[], None]:
    """Returns a function that records what needs no network: GPUs and processes."""
    gpus = GPUs() if task.gpus else None
    services = ProcessTrees(task.pids, "process", by_role=True)
    client = ProcessTrees([task.client_pid], "client", by_role=False, excluded=[os.getpid()])

    def sample() -> None:
        if gpus is not None:
            recorder.add(time.monotonic(), gpus.read())
        recorder.add(time.monotonic(), services.read())
        recorder.add(time.monotonic(), client.read())

    return sample


def _scrape_until(task: SamplingTask, recorder: Recorder, ended: threading.Event) -> None:
    """Scrapes at each tick, and once more after the end so that counters cover all of the run."""
    assert task.metrics_url is not None
    api_key = os.environ.get(task.api_key_variable) if task.api_key_variable else None
    due = time.monotonic()
    last = False
    while True:
        started = time.monotonic()
        try:
            readings = scrape(task.metrics_url, api_key)
        except (OSError, ValueError) as error:
            recorder.warn(f"{task.metrics_url} could not be read: {_reason(error)}")
        else:
            recorder.add((started + time.monotonic()) / 2, readings)
        if last:
            return
        due = _next_tick(due, task.interval)
        last = ended.wait(max(due - time.monotonic(), 0))


def _next_tick(due: float, interval: float) -> float:
    """Returns the next multiple of the interval; ticks that were missed are left out."""
    missed = max(time.monotonic() - due, 0) // interval
    return due + (missed + 1) * interval


def _input_ended(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], max(seconds, 0))
    return bool(readable)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"status {error.code}"
    return str(getattr(error, "reason", None) or error) or type(error).__name__


if __name__ == "__main__":
    main(SamplingTask.model_validate_json(sys.argv[1]))
