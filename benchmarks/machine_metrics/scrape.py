"""The service's /metrics as readings: its own series and those that its engine passes through."""

import math
import urllib.request
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.machine_metrics.recorder import Key, Reading
from benchmarks.results.schema import Source

TIMEOUT = 5.0
SERVICE = "gen_ai_server_"
"""What the name of a series of ours begins with; all others are the engine's."""
LEFT_OUT = ("python_", "process_", "bentoml_")
"""Of the Python process, which is sampled from outside."""
LEFT_OUT_ENDS = ("_bucket", "_created", "_info")
"""A histogram's sum and count say how it moved; the buckets would be most of the file."""
UNITS = ("seconds", "bytes", "joules", "watts", "ratio")
OTHER_UNITS = {"perc": "ratio", "percent": "percent", "tokens": "tokens"}


def scrape(url: str, api_key: str | None) -> list[Reading]:
    """Raises OSError when it cannot be had, and ValueError when it is no Prometheus text."""
    request = urllib.request.Request(url)
    if api_key is not None:
        request.add_header("authorization", f"Bearer {api_key}")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        text = response.read().decode("utf-8", "replace")
    return readings(text)


def readings(text: str) -> list[Reading]:
    """Raises ValueError."""
    return [
        _reading(sample)
        for family in text_string_to_metric_families(text)
        for sample in _chosen(family)
        if math.isfinite(sample.value)
    ]


def _chosen(family: Metric) -> Iterator[Sample]:
    for sample in family.samples:
        name = sample.name
        if name.startswith(LEFT_OUT) or name.endswith(LEFT_OUT_ENDS):
            continue
        if family.type == "summary" and "quantile" in sample.labels:
            continue
        yield sample


def _reading(sample: Sample) -> Reading:
    source: Source = "service" if sample.name.startswith(SERVICE) else "engine"
    labels = tuple(sorted(sample.labels.items()))
    return Key(source, sample.name, unit(sample.name), labels), sample.value


def unit(name: str) -> str:
    """As the end of a series' name tells; empty for a plain count."""
    if name.endswith("_count"):
        return ""
    words = name.removesuffix("_total").removesuffix("_sum").rpartition("_")[2]
    return words if words in UNITS else OTHER_UNITS.get(words, "")
