"""A service's /metrics page as readings: its own series and those of its engine."""

import math
import urllib.request

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.machine_metrics.recorder import Reading, SeriesKey
from benchmarks.results.schema import Source

TIMEOUT = 5.0
SERVICE_PREFIX = "gen_ai_server_"
"""The names of our own series begin so; all others are the engine's."""
EXCLUDED_PREFIXES = ("python_", "process_", "bentoml_")
"""They describe the Python process, which is sampled from outside."""
EXCLUDED_SUFFIXES = ("_bucket", "_created", "_info")
"""A histogram's sum and count say how it moved; the buckets would be most of the file."""
UNITS = {
    unit: unit for unit in ("seconds", "bytes", "joules", "watts", "ratio", "percent", "tokens")
}
UNITS["perc"] = "ratio"


def scrape(url: str, api_key: str | None) -> list[Reading]:
    """Returns the readings of a page.

    Raises OSError when it cannot be fetched, and ValueError when it is no Prometheus text.
    """
    request = urllib.request.Request(url)
    if api_key is not None:
        request.add_header("authorization", f"Bearer {api_key}")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        text = response.read().decode("utf-8", "replace")
    return readings(text)


def readings(text: str) -> list[Reading]:
    """Returns the finite values of a page in Prometheus' text format; raises ValueError."""
    return [
        _reading(sample)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if _is_kept(family, sample) and math.isfinite(sample.value)
    ]


def _is_kept(family: Metric, sample: Sample) -> bool:
    if sample.name.startswith(EXCLUDED_PREFIXES) or sample.name.endswith(EXCLUDED_SUFFIXES):
        return False
    return family.type != "summary" or "quantile" not in sample.labels


def _reading(sample: Sample) -> Reading:
    source: Source = "service" if sample.name.startswith(SERVICE_PREFIX) else "engine"
    labels = tuple(sorted(sample.labels.items()))
    return SeriesKey(source, sample.name, unit(sample.name), labels), sample.value


def unit(name: str) -> str:
    """Returns the unit in which a series' name ends, and an empty text for a plain count."""
    if name.endswith("_count"):
        return ""
    return UNITS.get(name.removesuffix("_total").removesuffix("_sum").rpartition("_")[2], "")
