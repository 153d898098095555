"""The sampler's own process: samples until its standard input ends, then prints all it has.

A process, so that reading a large /metrics page never holds up the client's event loop. Its
clock is time.monotonic, which all processes of a machine share.
"""

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from urllib.error import HTTPError

from benchmarks.machine_metrics.gpus import GPUs
from benchmarks.machine_metrics.job import Job, Sampled
from benchmarks.machine_metrics.processes import Trees
from benchmarks.machine_metrics.recorder import Recorder
from benchmarks.machine_metrics.scrape import TIMEOUT, scrape

READY = "ready"


def main(job: Job) -> None:
    recorder = Recorder()
    ended = threading.Event()
    scraper = None
    if job.metrics_url is not None:
        scraper = threading.Thread(target=_scrape_on, args=[job, recorder, ended], daemon=True)
        scraper.start()
    look = _local(job)
    look(recorder)
    print(READY, flush=True)
    due = time.monotonic() + job.interval
    while not _input_ended(due - time.monotonic()):
        look(recorder)
        due = _next(due, job.interval)
    ended.set()
    if due - time.monotonic() < job.interval / 2:  # over less, CPU times are too coarse
        look(recorder)
    if scraper is not None:
        scraper.join(TIMEOUT + 1)
    print(Sampled(series=tuple(recorder.series()), warnings=recorder.warnings).model_dump_json())


def _local(job: Job) -> Callable[[Recorder], None]:
    """What needs no network: GPUs and processes."""
    gpus = GPUs() if job.gpus else None
    services = Trees(job.pids, "process", roles=True)
    client = Trees([job.client_pid], "client", roles=False, without=[os.getpid()])

    def look(recorder: Recorder) -> None:
        if gpus is not None:
            recorder.add(time.monotonic(), gpus.read())
        recorder.add(time.monotonic(), services.read())
        recorder.add(time.monotonic(), client.read())

    return look


def _scrape_on(job: Job, recorder: Recorder, ended: threading.Event) -> None:
    """Once more after the end, so that counters cover all of the run."""
    assert job.metrics_url is not None
    api_key = os.environ.get(job.api_key_variable) if job.api_key_variable else None
    due = time.monotonic()
    last = False
    while True:
        begun = time.monotonic()
        try:
            found = scrape(job.metrics_url, api_key)
        except (OSError, ValueError) as error:
            recorder.warn(f"{job.metrics_url} could not be read: {_reason(error)}")
        else:
            recorder.add((begun + time.monotonic()) / 2, found)
        if last:
            return
        due = _next(due, job.interval)
        last = ended.wait(max(due - time.monotonic(), 0))


def _next(due: float, interval: float) -> float:
    """Ticks keep their times; those that were missed are left out."""
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
    main(Job.model_validate_json(sys.argv[1]))
