"""Prometheus series measured in the HTTP layer, so that they mean the same on every backend.

Names and buckets follow the OpenTelemetry GenAI semantic conventions (gen_ai.server.*).
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from common.serving.admission import Admission
from common.serving.lifecycle import Lifecycle, StartPhases

TTFT_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
TPOT_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
ITL_BUCKETS = (0.001, 0.0025, 0.005, *TPOT_BUCKETS)
DURATION_BUCKETS = tuple(0.01 * 2**n for n in range(14))
# BentoML prepares for several workers. We have one, whose series live in its memory: the shared
# directory would lose custom collectors, and a second service on this machine empties it.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
disable_created_metrics()  # type: ignore[no-untyped-call]

LABELS = ("backend", "model", "quantization")
OUTCOMES = ("stop", "length", "cancelled", "rejected", "error")
Reading = tuple[str, Callable[[], float | None]]
"""The help text of a gauge and the function that returns its value."""


class TokenLatencies(Collector):
    """Counts inter-token latencies without a lock, because every chunk passes here.

    Only the event loop's thread writes; a scrape on that thread reads a consistent state.
    """

    name = "gen_ai_server_inter_token_latency_seconds"

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self._counts = [0] * (len(ITL_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(ITL_BUCKETS, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            self.name, "Time between successive pieces of one answer.", labels=LABELS
        )
        buckets: list[tuple[str, float]] = []
        total = 0
        for edge, count in zip((*map(str, ITL_BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((edge, total))
        family.add_metric(self._labels, buckets, self._sum)
        yield family


class Gauges(Collector):
    """Values that are read at each scrape; a None is left out."""

    def __init__(self, labels: tuple[str, ...], readings: dict[str, Reading]) -> None:
        self._labels = labels
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        for name, (documentation, read) in self._readings.items():
            value = read()
            if value is not None:
                family = GaugeMetricFamily(name, documentation, labels=LABELS)
                family.add_metric(self._labels, value)
                yield family


class StartPhasesCollector(Collector):
    """The seconds that each phase of the start took, or has taken so far."""

    name = "gen_ai_server_start_phase_seconds"

    def __init__(self, labels: tuple[str, ...], phases: StartPhases) -> None:
        self._labels = labels
        self._phases = phases

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            self.name, "Time in a phase of the start.", labels=(*LABELS, "phase")
        )
        for phase, seconds in self._phases.seconds.items():
            family.add_metric((*self._labels, phase), seconds)
        yield family


class Metrics:
    """The series of one service, which are registered once per process."""

    def __init__(
        self, labels: tuple[str, str, str], registry: CollectorRegistry = REGISTRY
    ) -> None:
        self.registry = registry
        self._labels = labels
        self.kv_cache_usage: float | None = None
        """The fraction that the engine reported for this scrape, None where it reports none."""

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            family = Histogram(name, text, LABELS, buckets=buckets, registry=registry)
            return family.labels(*labels)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, LABELS, registry=registry).labels(*labels)

        self.time_to_first_token = histogram(
            "gen_ai_server_time_to_first_token_seconds", "Arrival to first token.", TTFT_BUCKETS
        )
        self.time_per_output_token = histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Time from first to last token over the tokens after the first.",
            TPOT_BUCKETS,
        )
        self.request_duration = histogram(
            "gen_ai_server_request_duration_seconds", "Arrival to end.", DURATION_BUCKETS
        )
        self.prompt_tokens = counter("gen_ai_server_prompt_tokens", "Prompt tokens.")
        self.generated_tokens = counter("gen_ai_server_generated_tokens", "Generated tokens.")
        outcomes = Counter(
            "gen_ai_server_requests",
            "Requests that wanted a generation, by how they ended.",
            (*LABELS, "outcome"),
            registry=registry,
        )
        self._requests = {name: outcomes.labels(*labels, name) for name in OUTCOMES}
        self.inter_token_latency = TokenLatencies(labels)
        registry.register(self.inter_token_latency)

    def first_token(self, seconds: float, request_id: str) -> None:
        self.time_to_first_token.observe(seconds, _exemplar(request_id))

    def count_request(self, outcome: str, seconds: float, request_id: str) -> None:
        self._requests[outcome].inc()
        self.request_duration.observe(seconds, _exemplar(request_id))

    def add_readings(self, admission: Admission, lifecycle: Lifecycle) -> None:
        """Register the series that are read at each scrape."""
        phases = lifecycle.phases
        self.registry.register(StartPhasesCollector(self._labels, phases))
        readings: dict[str, Reading] = {
            "gen_ai_server_requests_running": (
                "Sequences in the engine.",
                lambda: admission.running,
            ),
            "gen_ai_server_requests_waiting": (
                "Sequences waiting for a place in the engine.",
                lambda: admission.waiting,
            ),
            "gen_ai_server_kv_cache_usage_ratio": (
                "Used fraction of the KV cache.",
                lambda: self.kv_cache_usage,
            ),
            "gen_ai_server_ready": (
                "1 when a request sent now would be served, as far as was last seen, else 0.",
                lambda: float(lifecycle.serving),
            ),
            "gen_ai_server_start_seconds": (
                "Time from the start of the process until it was ready, or so far.",
                lambda: phases.total,
            ),
        }
        self.registry.register(Gauges(self._labels, readings))


def _exemplar(request_id: str) -> dict[str, str]:
    """Returns the request id; OpenMetrics allows 128 characters for name and value together."""
    return {"request_id": request_id[:100]}
