"""Synthetic results: plausible numbers from a seed that nobody measured, for the report."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.load.spec import Limits, Spec
from benchmarks.report.cells import Group, groups
from benchmarks.report.runs import Run
from benchmarks.results.files import write
from benchmarks.results.schema import (
    Cost,
    Distribution,
    Environment,
    Outcome,
    Phase,
    Prompts,
    Result,
    Series,
    Subject,
    Verdict,
    Window,
)

RAMP, DURATION, WINDOW = 20.0, 120.0, 5.0
SPEED: Mapping[str, float] = {"sglang": 4000, "lmdeploy": 3600, "vllm": 2400, "transformers": 300}
CONTROL = {"engine_args": '{"ttft": 0.02, "itl": 0.005, "length": 100}'}
DECAYING = "lmdeploy"
MANIFEST: Mapping[str, Any] = {
    "name": "made up",
    "file": "made-up.yaml",
    "text": "name: made up\nbackends: [sglang, lmdeploy, vllm, transformers]\n",
    "hash": "b" * 64,
    "starts": [{"at": "2026-11-01", "command": ["python", "-m", "benchmarks.study", "x.yaml"]}],
    "cells": [
        {
            "id": "mlc-10-0",
            "status": "failed",
            "reason": "its service was not ready in 60 s",
            "backend": "mlc",
            "model": "made-up-8b",
            "quantization": "none",
            "users": 10,
            "log": ["no device found"],
        }
    ],
}
"""A study.json, as far as a report reads it."""


def result(
    backend: str = "vllm",
    users: int = 50,
    repeat: int = 0,
    *,
    speed: float | None = None,
    noise: float = 0.01,
    model: str = "made-up-8b",
    quantization: str = "none",
    system_prompt: str | None = None,
    gpu: bool = True,
    void: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
    **load: Any,
) -> Result:
    """Returns equal results for equal arguments; `noise` is the relative deviation of repeats."""
    chance = random.Random(f"{backend} {users} {repeat} {model} {quantization} {system_prompt}")
    top = SPEED.get(backend, 1000) if speed is None else speed
    rate = top * users / (users + 30) * chance.gauss(1, noise)
    ttft = 0.02 + users / top * chance.gauss(1, noise)
    windows = tuple(_windows(rate, ttft, users, backend == DECAYING, chance))
    return Result(
        started_at="2026-11-01T12:00:00+00:00",
        subject=Subject(
            backend=backend,
            backend_version="1.2.3",
            engine=backend,
            model=model,
            quantization=quantization,
            url="http://localhost:3000",
            settings=dict(settings or {}),
            repeat=repeat,
        ),
        load=_load(users=users, system_prompt=system_prompt, **load),
        prompts=Prompts(source="builtin", count=300, hash="a" * 64, seed=0),
        environment=_environment(backend, gpu),
        verdict=_verdict(users, void),
        ramp=_phase(0, RAMP, rate / 2, ttft, users, 0),
        plateau=_phase(RAMP, DURATION, rate, ttft, users, 3 if backend == "transformers" else 0),
        drain=_phase(DURATION, DURATION + 4, rate / 3, ttft, users, 0),
        windows=windows,
        series=tuple(_series(windows, rate / top, gpu, chance)),
        cost=Cost(price_per_hour=2.0, per_million_output_tokens=2e6 / 3600 / rate),
    )


def _verdict(users: int, void: tuple[str, ...]) -> Verdict:
    return Verdict(
        valid=not void,
        reasons=void,
        loop_lag_p99=0.002,
        client_cpu=0.3,
        client_cpu_per_1000_tokens=0.03,
        send_lag_p99=0.001,
        users_reached=float(users),
    )


def _load(**values: Any) -> Spec:
    return Spec(
        url="http://localhost:3000",
        mode="closed",
        ramp=RAMP,
        duration=DURATION,
        window=WINDOW,
        protocol="generate",
        max_tokens=128,
        timeout=120,
        limits=Limits(ttft=1.0, tpot=0.05),
        **values,
    )


def _environment(backend: str, gpu: bool) -> Environment:
    return Environment(
        versions={backend: "1.2.3", "python": "3.11.9"},
        commit="0123456789abcdef",
        host="made-up-host",
        cpus=8,
        gpus=("Made-up GPU 80 GB",) if gpu else (),
        driver="1.0" if gpu else None,
    )


def study(
    folder: Path,
    backends: tuple[str, ...] = tuple(SPEED),
    users: tuple[int, ...] = (10, 50, 100),
    repeats: int = 3,
    **kwargs: Any,
) -> Path:
    """Writes results and a manifest as a study does, or adds to one, and returns the folder."""
    path = folder / "study.json"
    manifest = json.loads(path.read_text("utf-8")) if path.exists() else {**MANIFEST}
    cells = [*manifest["cells"]]
    for backend in backends:
        for number in users:
            for repeat in range(repeats):
                measured = result(backend, number, repeat, **kwargs)
                name = f"{backend}-{number}-{repeat}{''.join(map(str, kwargs.values()))}"
                write(folder / "cells" / name, measured, [])
                cells.append(_entry(name, measured))
    path.write_text(json.dumps(manifest | {"cells": cells}), "utf-8")
    return folder


def _entry(name: str, measured: Result) -> dict[str, Any]:
    """Returns the cell of a study.json that was measured."""
    subject, load = measured.subject, measured.load
    return {
        "id": name, "status": "ok", "backend": subject.backend, "model": subject.model,
        "quantization": subject.quantization, "users": load.users,
        "system_prompt": load.system_prompt or "", "start_seconds": 20.0 + subject.repeat,
    }  # fmt: skip


def _windows(
    rate: float, ttft: float, users: int, decaying: bool, chance: random.Random
) -> Iterator[Window]:
    for number in range(int(DURATION / WINDOW) + 1):
        start = number * WINDOW
        ramp = start < RAMP
        share = (start + WINDOW / 2) / RAMP if ramp else 1.0
        share *= 1.08 - 0.16 * start / DURATION if decaying and not ramp else 1.0
        share *= 0.3 if start >= DURATION else chance.gauss(1, 0.015)
        yield Window(
            start=start,
            seconds=WINDOW,
            phase="ramp" if ramp else "drain" if start >= DURATION else "plateau",
            tokens=rate * share * WINDOW,
            tokens_per_second=rate * share,
            sent=users,
            ended=users,
            failed=0,
            in_flight=users * min(1.0, share),
            ttft=ttft * chance.gauss(1, 0.03),
        )


def _phase(start: float, end: float, rate: float, ttft: float, users: int, failed: int) -> Phase:
    requests = max(1, int(rate * (end - start) / 100))
    outcomes = {Outcome.OK: requests}
    if failed:
        outcomes |= {Outcome.IN_BAND_ERROR: failed, Outcome.HTTP_ERROR: 1}
    tpot = users / rate
    return Phase(
        start=start,
        end=end,
        tokens_per_second=rate,
        tokens_per_second_per_user=rate / users,
        requests_per_second=rate / 100,
        goodput=rate / 120,
        outcomes=outcomes,
        ttft=_distribution(ttft, requests),
        tpot=_distribution(tpot, requests),
        gap=_distribution(tpot, requests * 100),
        end_to_end=_distribution(ttft + 100 * tpot, requests),
        error_latency=_distribution(0.1, failed) if failed else None,
        prompt_tokens=requests * 60,
        output_tokens=requests * 100,
        cached_tokens=requests * 10,
        tokens_per_chunk=1.4,
    )


def _distribution(middle: float, count: int) -> Distribution:
    return Distribution(
        count=count,
        mean=middle * 1.1,
        std=middle * 0.4,
        min=middle * 0.5,
        p50=middle,
        p90=middle * 1.8,
        p95=middle * 2.2,
        p99=middle * 3.1,
        max=middle * 4,
    )


def _series(
    windows: tuple[Window, ...], share: float, gpu: bool, chance: random.Random
) -> Iterator[Series]:
    times = [float(second) for second in range(int(windows[-1].start + WINDOW))]
    if gpu:
        yield Series(
            source="gpu",
            name="utilization",
            unit="ratio",
            labels={"gpu": "0"},
            points=tuple((t, min(1.0, max(0.0, chance.gauss(share, 0.03)))) for t in times),
        )
    yield Series(
        source="process",
        name="cpu",
        unit="ratio",
        labels={"role": "api"},
        points=tuple((t, max(0.0, chance.gauss(0.9 * share, 0.05))) for t in times),
    )


def group(*results: Result) -> Group:
    """Returns the results as the group that they make up together."""
    (only,) = groups(Run(str(number), each) for number, each in enumerate(results))
    return only


def repeats(backend: str, speed: float, count: int = 3, noise: float = 0.01) -> list[Result]:
    return [result(backend, 50, n, speed=speed, noise=noise) for n in range(count)]
