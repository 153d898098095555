"""Samples of real processes and of a real Prometheus page, through the sampler's own process."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIServer

import psutil
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from benchmarks.machine_metrics import Sampler
from benchmarks.machine_metrics.processes import roles
from benchmarks.machine_metrics.prometheus import readings, unit
from benchmarks.results.schema import Series
from tests.limits import DEADLINE
from tests.service_process import NVML, eventually

BURN = "while True: pass"


class Page:
    """A service's /metrics, counting."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.waiting = Gauge("gen_ai_server_requests_waiting", "w", registry=registry)
        self.tokens = Counter("gen_ai_server_tokens", "t", ["model"], registry=registry)
        self.cache = Gauge("vllm:kv_cache_usage_perc", "c", registry=registry)
        self.ttft = Histogram("gen_ai_server_ttft_seconds", "t", registry=registry)
        Gauge("python_info", "p", registry=registry)
        self.server, self.thread = start_http_server(0, "127.0.0.1", registry)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"


@contextmanager
def a_page() -> Iterator[Page]:
    page = Page()
    server: WSGIServer = page.server
    try:
        yield page
    finally:
        server.shutdown()
        server.server_close()
        page.thread.join()


@contextmanager
def a_process(code: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield process
        finally:
            process.kill()


def by_name(series: tuple[Series, ...]) -> dict[str, Series]:
    return {f"{one.source} {one.name} {one.labels.get('role', '')}".strip(): one for one in series}


async def test_the_services_and_the_engines_series_are_on_the_runs_time_axis() -> None:
    with a_page() as page:
        page.waiting.set(1)
        async with Sampler(metrics_url=page.url, interval=0.05) as sampler:
            start = time.monotonic()
            page.tokens.labels("demo").inc(5)
            await asyncio.sleep(0.3)
            page.waiting.set(7)
            page.cache.set(0.5)
            await asyncio.sleep(0.2)
        ended = time.monotonic() - start
    series = by_name(sampler.series(start))
    waiting = series["service gen_ai_server_requests_waiting"]
    assert [time for time, _ in waiting.points] == sorted(time for time, _ in waiting.points)
    assert all(at < ended for at, _ in waiting.points)
    values = [value for _, value in waiting.points]
    assert values == sorted(values)
    assert set(values) == {1, 7}
    assert series["service gen_ai_server_tokens_total"].labels == {"model": "demo"}
    assert series["service gen_ai_server_tokens_total"].unit == "tokens"
    assert series["engine vllm:kv_cache_usage_perc"].unit == "ratio"
    assert series["engine vllm:kv_cache_usage_perc"].points[-1][1] == 0.5
    assert sampler.warnings == ()
    assert not [name for name in series if "_bucket" in name or "python_" in name]


async def test_a_process_tree_uses_the_cpu_that_it_burns() -> None:
    with a_process(BURN) as process:
        burning = psutil.Process(process.pid)
        async with Sampler(pids=[process.pid], interval=0.2) as sampler:
            start, before = time.monotonic(), burning.cpu_times().user
            await asyncio.sleep(1)
            truth = (burning.cpu_times().user - before) / (time.monotonic() - start)
    series = by_name(sampler.series(start))
    cpu = series["process cpu api"]
    mean = sum(value for _, value in cpu.points) / len(cpu.points)
    assert cpu.unit == "ratio"
    # The machine may be busy with others: the truth is what the kernel gave it.
    assert mean == pytest.approx(truth, rel=0.5)
    assert series["process memory api"].points[0][1] > 2**20
    assert "client memory" in series


async def test_a_value_that_never_changes_keeps_its_two_ends() -> None:
    with a_page() as page:
        page.waiting.set(3)
        async with Sampler(metrics_url=page.url, interval=0.05) as sampler:
            start = time.monotonic()
            await asyncio.sleep(0.4)
    points = by_name(sampler.series(start))["service gen_ai_server_requests_waiting"].points
    assert [value for _, value in points] == [3, 3]
    assert points[1][0] - points[0][0] > 0.3


async def test_what_cannot_be_had_is_absent_and_said_once() -> None:
    url = "http://127.0.0.1:9/metrics"
    async with Sampler(metrics_url=url, pids=[2**22 + 1], interval=0.05) as sampler:
        start = time.monotonic()
        await asyncio.sleep(0.2)
    series = sampler.series(start)
    assert {one.source for one in series} <= {"client", "gpu"}
    (warning,) = sampler.warnings
    assert warning.startswith(f"{url} could not be read: ")


async def test_a_sampler_that_dies_does_not_end_the_run() -> None:
    async with Sampler(interval=0.05) as sampler:
        children = psutil.Process().children()
        (process,) = (each for each in children if "benchmarks.machine_metrics" in each.cmdline())
        process.kill()
    assert sampler.series(0) == ()
    assert sampler.warnings == ("no samples: the sampler ended with -9",)


def test_a_sampler_ends_with_its_client() -> None:
    code = """
import asyncio, os, psutil
from benchmarks.machine_metrics import Sampler
async def main():
    async with Sampler(interval=0.05):
        print(psutil.Process().children()[0].pid, flush=True)
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    sampler = int(done.stdout)
    eventually(lambda: not psutil.pid_exists(sampler), DEADLINE, "the sampler has ended")


async def test_gpus_are_sampled_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NVML), *sys.path[:1]]))
    monkeypatch.setenv("DOUBLE_GPUS", "Double GPU, 8.0, 81920; Double MIG, 8.0, 40960")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    async with Sampler(interval=0.05) as sampler:
        start = time.monotonic()
        await asyncio.sleep(0.2)
    power = [one for one in sampler.series(start) if one.name == "power"]
    assert [(one.labels, one.unit) for one in power] == [({"gpu": "0"}, "watts")]


def test_the_api_process_of_a_service_is_distinguished_from_its_engine() -> None:
    worker = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    argument = "_bentoml_impl.worker.service"
    supervisor = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {worker!r}, {argument!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", supervisor], stdin=subprocess.PIPE) as process:
        root = psutil.Process(process.pid)
        while len(tree := [root, *root.children(recursive=True)]) < 3:
            time.sleep(0.01)
        assert list(roles(tree).values()) == ["supervisor", "api", "engine"]
        assert process.stdin is not None
        process.stdin.close()


def test_a_unit_is_the_end_of_a_name() -> None:
    assert unit("gen_ai_server_ttft_seconds_sum") == "seconds"
    assert unit("gen_ai_server_ttft_seconds_count") == ""
    assert unit("ray_object_store_memory_bytes") == "bytes"
    assert unit("gen_ai_server_generated_tokens_total") == "tokens"
    assert unit("gen_ai_server_requests_running") == ""


def test_a_value_that_is_no_number_is_left_out() -> None:
    assert readings("# TYPE a gauge\na NaN\n") == []
