"""What is counted of one model, be it the base or an adapter of it.

Names and buckets follow the OpenTelemetry GenAI semantic conventions (gen_ai.server.*).
"""

import os
from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from common.serving.job import Job

TTFT_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
TPOT_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
ITL_BUCKETS = (0.001, 0.0025, 0.005, *TPOT_BUCKETS)
DURATION_BUCKETS = tuple(0.01 * 2**n for n in range(14))
LENGTH_BUCKETS = tuple(4**n for n in range(11))
"""Those of gen_ai.client.token.usage, up to the longest contexts."""
# BentoML prepares for several workers. We have one, whose series live in its memory: the shared
# directory would lose custom collectors, and a second service on this machine empties it.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
disable_created_metrics()  # type: ignore[no-untyped-call]

LABELS = ("backend", "model", "quantization")
OUTCOMES = ("stop", "length", "cancelled", "rejected", "error")
Labels = tuple[str, str, str]


class TokenLatencies:
    """Counts the inter-token latencies of one model without a lock: every chunk passes here.

    Only the event loop's thread writes; a scrape on that thread reads a consistent state.
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(ITL_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(ITL_BUCKETS, seconds)] += 1
        self._sum += seconds

    def add_to(self, family: HistogramMetricFamily, labels: Labels) -> None:
        buckets: list[tuple[str, float]] = []
        total = 0
        for edge, count in zip((*map(str, ITL_BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((edge, total))
        family.add_metric(labels, buckets, self._sum)


class Families(Collector):
    """The families of these series, and the labels that they have."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._of_model: list[Counter | Histogram] = []
        self.time_in_queue = self._histogram(
            "gen_ai_server_time_in_queue_seconds",
            "Arrival to the first place in the engine.",
            DURATION_BUCKETS,
        )
        self.time_to_first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds", "Arrival to first token.", TTFT_BUCKETS
        )
        self.time_per_output_token = self._histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Time from first to last token over the tokens after the first.",
            TPOT_BUCKETS,
        )
        self.request_duration = self._histogram(
            "gen_ai_server_request_duration_seconds", "Arrival to end.", DURATION_BUCKETS
        )
        self.prompt_length = self._histogram(
            "gen_ai_server_prompt_length_tokens", "Tokens of one prompt.", LENGTH_BUCKETS
        )
        self.answer_length = self._histogram(
            "gen_ai_server_answer_length_tokens", "Tokens of one answer.", LENGTH_BUCKETS
        )
        self.prompt_tokens = self._counter("gen_ai_server_prompt_tokens", "Prompt tokens.")
        self.cached_prompt_tokens = self._counter(
            "gen_ai_server_cached_prompt_tokens",
            "Prompt tokens that the engine had in its prefix cache, where it tells them.",
        )
        self.generated_tokens = self._counter("gen_ai_server_generated_tokens", "Generated tokens.")
        self.reasoning_tokens = self._counter(
            "gen_ai_server_reasoning_tokens",
            "Generated tokens of reasoning, which are among the generated ones.",
        )
        self.requests = Counter(
            "gen_ai_server_requests",
            "Requests that wanted a generation, by how they ended.",
            (*LABELS, "outcome"),
            registry=registry,
        )
        self.latencies: dict[Labels, TokenLatencies] = {}
        registry.register(self)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        family = Histogram(name, text, LABELS, buckets=buckets, registry=self._registry)
        self._of_model.append(family)
        return family

    def _counter(self, name: str, text: str) -> Counter:
        family = Counter(name, text, LABELS, registry=self._registry)
        self._of_model.append(family)
        return family

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "gen_ai_server_inter_token_latency_seconds",
            "Time between successive pieces of one answer.",
            labels=LABELS,
        )
        for labels, latencies in self.latencies.items():
            latencies.add_to(family, labels)
        yield family

    def forget(self, labels: Labels) -> None:
        """Leave out the series of a model that is no more."""
        for family in self._of_model:
            family.remove(*labels)
        for outcome in OUTCOMES:
            self.requests.remove(*labels, outcome)
        del self.latencies[labels]


class ModelSeries:
    """The series of one model."""

    def __init__(self, families: Families, labels: Labels) -> None:
        self._families = families
        self._labels = labels
        self.time_in_queue = families.time_in_queue.labels(*labels)
        self.time_to_first_token = families.time_to_first_token.labels(*labels)
        self.time_per_output_token = families.time_per_output_token.labels(*labels)
        self.request_duration = families.request_duration.labels(*labels)
        self.prompt_length = families.prompt_length.labels(*labels)
        self.answer_length = families.answer_length.labels(*labels)
        self.prompt_tokens = families.prompt_tokens.labels(*labels)
        self.generated_tokens = families.generated_tokens.labels(*labels)
        self.reasoning_tokens = families.reasoning_tokens.labels(*labels)
        self._requests = {name: families.requests.labels(*labels, name) for name in OUTCOMES}
        self.inter_token_latency = families.latencies[labels] = TokenLatencies()

    def first_token(self, seconds: float, request_id: str) -> None:
        self.time_to_first_token.observe(seconds, _exemplar(request_id))

    def count_prompt(self, tokens: int) -> None:
        self.prompt_tokens.inc(tokens)
        self.prompt_length.observe(tokens)

    def count_tokens(self, job: Job) -> None:
        """Count what a request has read and written; answers may have been broken off."""
        for prompt in job.prompts:
            self.count_prompt(len(prompt))
        if job.cached_tokens is not None:
            # An engine that never tells them has no such series.
            self._families.cached_prompt_tokens.labels(*self._labels).inc(job.cached_tokens)
        for answer in job.answers:
            if answer.tokens:
                self.answer_length.observe(answer.tokens)
        tokens = job.completion_tokens
        self.generated_tokens.inc(tokens)
        self.reasoning_tokens.inc(job.reasoning_tokens)
        if tokens > 1:
            seconds = job.last_token - job.first_token
            self.time_per_output_token.observe(seconds / (tokens - 1))

    def count_request(self, outcome: str, seconds: float, request_id: str) -> None:
        self._requests[outcome].inc()
        self.request_duration.observe(seconds, _exemplar(request_id))


def _exemplar(request_id: str) -> dict[str, str]:
    """Returns the request id; OpenMetrics allows 128 characters for name and value together."""
    return {"request_id": request_id[:100]}
