"""The series add up."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from common.serving.metrics import Gauges, Metrics
from common.serving.model_series import ITL_BUCKETS, OUTCOMES

LABELS = ("echo", "demo", "none")


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Returns the values by name and by the label that is not the same everywhere."""
    text = generate_latest(registry).decode()
    return {
        (sample.name, sample.labels.get("le") or sample.labels.get("outcome") or ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_token_latencies_are_cumulative_and_sum_up() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(LABELS, registry)
    seconds = [0.0005, 0.001, 0.0011, 0.03, 99.0]
    for value in seconds:
        metrics.base.inter_token_latency.observe(value)
    name = "gen_ai_server_inter_token_latency_seconds"
    scraped = samples(registry)
    for edge in ITL_BUCKETS:
        below = sum(value <= edge for value in seconds)
        assert scraped[f"{name}_bucket", str(edge)] == below
    assert scraped[f"{name}_bucket", "+Inf"] == scraped[f"{name}_count", ""] == 5
    assert abs(scraped[f"{name}_sum", ""] - sum(seconds)) < 1e-9


def test_each_outcome_is_there_from_the_start_and_counted_by_itself() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(LABELS, registry)
    name = "gen_ai_server_requests_total"
    assert {each: samples(registry)[name, each] for each in OUTCOMES} == dict.fromkeys(OUTCOMES, 0)
    for count, outcome in enumerate(OUTCOMES, 1):
        for _ in range(count):
            metrics.base.count_request(outcome, 0.5, "the-id")
    scraped = samples(registry)
    assert [scraped[name, outcome] for outcome in OUTCOMES] == list(range(1, len(OUTCOMES) + 1))
    total = sum(range(len(OUTCOMES) + 1))
    assert scraped["gen_ai_server_request_duration_seconds_count", ""] == total
    assert scraped["gen_ai_server_request_duration_seconds_sum", ""] == total * 0.5


def test_gauges_are_read_at_scrape_time_and_left_out_when_unknown() -> None:
    registry = CollectorRegistry()
    values: dict[str, float | None] = {"a": 1, "b": None}
    registry.register(
        Gauges(LABELS, {"a": ("A.", lambda: values["a"]), "b": ("B.", lambda: values["b"])})
    )
    assert samples(registry)["a", ""] == 1
    assert ("b", "") not in samples(registry)
    values.update(a=2, b=3)
    assert (samples(registry)["a", ""], samples(registry)["b", ""]) == (2, 3)


def test_every_series_has_the_services_labels() -> None:
    registry = CollectorRegistry()
    Metrics(LABELS, registry)
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            assert (
                sample.labels.items()
                >= {
                    "backend": "echo",
                    "model": "demo",
                    "quantization": "none",
                }.items()
            )
