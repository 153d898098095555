"""The trade-off of one run: what a GPU gives against what a user gets, and what it costs."""

from math import prod

from benchmarks.results.schema import Record, Result

GPU_SETTINGS = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Settings whose product is the number of GPUs that a service takes (docs/parallel.md)."""
IN_USE = 2**31
"""Bytes: a driver and a desktop take less of a GPU, an engine more."""
MILLION = 1e6
JOULES_PER_KWH = 3.6e6


class FrontierPoint(Record):
    """Rates in tokens per second, of the plateau. `per_user` is over those in flight, waiting
    included; `interactivity` is what a user sees of an answer that has begun, 1 / median TPOT.
    Cost and energy are for a million output tokens; what is not known is None."""

    tokens_per_second: float
    per_gpu: float | None
    per_user: float | None
    interactivity: float | None
    cost_per_million: float | None
    kwh_per_million: float | None


def frontier_point(result: Result) -> FrontierPoint:
    """Returns the point of a run on the frontier."""
    plateau, gpus = result.plateau, gpu_count(result)
    joules = result.cost.joules_per_output_token
    return FrontierPoint(
        tokens_per_second=plateau.tokens_per_second,
        per_gpu=plateau.tokens_per_second / gpus if gpus else None,
        per_user=plateau.tokens_per_second_per_user,
        interactivity=1 / plateau.tpot.p50 if plateau.tpot and plateau.tpot.p50 else None,
        cost_per_million=result.cost.per_million_output_tokens,
        kwh_per_million=None if joules is None else joules * MILLION / JOULES_PER_KWH,
    )


def gpu_count(result: Result) -> int | None:
    """Returns the number of GPUs that the service takes: what the load says, else what its settings
    say, else those of the client's machine whose memory is in use. None without one."""
    if result.load.gpus is not None:
        return result.load.gpus
    settings = result.subject.settings
    if not result.environment.gpus:
        return None
    if any(name in settings for name in GPU_SETTINGS):
        return prod(int(settings.get(name, "1")) for name in GPU_SETTINGS)
    in_use = [
        series
        for series in result.series
        if (series.source, series.name) == ("gpu", "memory")
        and any(value > IN_USE for _, value in series.points)
    ]
    return max(1, len(in_use))
