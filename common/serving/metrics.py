"""Prometheus series measured in the HTTP layer, so that they mean the same on every backend.

Names and buckets follow the OpenTelemetry GenAI semantic conventions (gen_ai.server.*).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.errors import (
    Draining,
    EngineDead,
    EngineStalled,
    NotReady,
    Overloaded,
    QueueTimeout,
    RateLimited,
    ServiceError,
)
from common.keys.keyring import Keyring
from common.models.adapters import Adapter
from common.serving.admission import Admission
from common.serving.lifecycle import Lifecycle
from common.serving.model_series import LABELS, Families, Labels, ModelSeries
from common.serving.start_phases import StartPhases

Reading = tuple[str, Callable[[], float | None]]
"""The help text of a gauge and the function that returns its value."""
Counts = Mapping[tuple[str, ...], int]
"""The values of a counter by what its own labels have."""
ACCOUNT_COUNTERS = {
    "requests": ("Requests that came with a key of this name.", "accepted"),
    "refusals": ("Requests beyond the limits of a name.", "refused"),
    "prompt_tokens": ("Prompt tokens of a name.", "prompt_tokens"),
    "generated_tokens": ("Tokens generated for a name.", "generated_tokens"),
}
"""The help text of each counter of a key's name, and the attribute of the account that has it."""
REFUSALS = (
    Overloaded, RateLimited, QueueTimeout, NotReady, Draining, EngineStalled, EngineDead,
)  # fmt: skip
"""What turns a client away who has done nothing wrong."""


class Gauges(Collector):
    """Values that are read at each scrape; a None is left out."""

    def __init__(self, labels: Labels, readings: dict[str, Reading]) -> None:
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

    def __init__(self, labels: Labels, phases: StartPhases) -> None:
        self._labels = labels
        self._phases = phases

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            self.name, "Time in a phase of the start.", labels=(*LABELS, "phase")
        )
        for phase, seconds in self._phases.seconds.items():
            family.add_metric((*self._labels, phase), seconds)
        yield family


class OwnCounter(Collector):
    """A counter that something else counts; it is read at each scrape, and may have no values."""

    def __init__(
        self,
        labels: Labels,
        name: str,
        documentation: str,
        own_labels: tuple[str, ...],
        read: Callable[[], Counts],
    ) -> None:
        self._labels = labels
        self._name = name
        self._documentation = documentation
        self._own_labels = own_labels
        self._read = read

    def collect(self) -> Iterable[Metric]:
        names = (*LABELS, *self._own_labels)
        family = CounterMetricFamily(self._name, self._documentation, labels=names)
        for own, value in self._read().items():
            family.add_metric((*self._labels, *own), value)
        if family.samples:
            yield family


class Metrics:
    """The series of one service, which are registered once per process.

    `labels` are those of the base; the series of an adapter have its name in place of the model's.
    """

    def __init__(self, labels: Labels, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self._labels = labels
        self.kv_cache_usage: float | None = None
        """The fraction that the engine reported for this scrape, None where it reports none."""
        self._families = Families(registry)
        self._refusals: dict[tuple[str, ...], int] = {
            (str(each.status), each.code): 0 for each in REFUSALS
        }
        self.add_counter(
            "gen_ai_server_refusals",
            "Requests for a generation that were answered by 429 or 503, by status and code.",
            ("status", "code"),
            lambda: self._refusals,
        )
        self.base = ModelSeries(self._families, labels)
        self._adapters: dict[str, ModelSeries] = {}

    def of(self, adapter: Adapter | None) -> ModelSeries:
        """Returns the series of an adapter, or of the base where there is none."""
        if adapter is None:
            return self.base
        series = self._adapters.get(adapter.name)
        if series is None:
            series = ModelSeries(self._families, self._labels_of(adapter.name))
            self._adapters[adapter.name] = series
        return series

    def show_only(self, adapters: Collection[Adapter]) -> None:
        """Have the series of these adapters and of no others, so that their number is limited."""
        for adapter in adapters:
            self.of(adapter)
        for name in self._adapters.keys() - {adapter.name for adapter in adapters}:
            del self._adapters[name]
            self._families.forget(self._labels_of(name))

    def count_refusal(self, error: ServiceError) -> None:
        """Count an error if it is one of REFUSALS."""
        key = (str(error.status), error.code)
        if key in self._refusals:
            self._refusals[key] += 1

    def add_counter(
        self,
        name: str,
        documentation: str,
        own_labels: tuple[str, ...],
        read: Callable[[], Counts],
    ) -> None:
        """Register a counter whose values `read` returns."""
        self.registry.register(OwnCounter(self._labels, name, documentation, own_labels, read))

    def add_closed_connections(self, closed: Mapping[str, int]) -> None:
        """Register the series of connections that were ended, by the setting that limits them."""
        self.add_counter(
            "gen_ai_server_closed_connections",
            "Connections that the service has ended, by the setting that limits them.",
            ("reason",),
            lambda: {(reason,): count for reason, count in closed.items()},
        )

    def add_batch_lines(self, read: Callable[[], int]) -> None:
        """Register the series of the lines of batches that have no answer yet."""
        name = "gen_ai_server_batch_lines_waiting"
        reading = ("Lines of batches that have no answer yet.", read)
        self.registry.register(Gauges(self._labels, {name: reading}))

    def add_accounts(self, keys: Keyring) -> None:
        """Register the series of the keys' names; one that has gone from the file has none."""
        for name, (documentation, attribute) in ACCOUNT_COUNTERS.items():
            self.add_counter(
                f"gen_ai_server_key_{name}",
                documentation,
                ("key_name",),
                partial(_used, keys, attribute),
            )

    def _labels_of(self, name: str) -> Labels:
        backend, _, quantization = self._labels
        return backend, name, quantization

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
            "gen_ai_server_stalled": (
                "1 when the engine gives no tokens for what runs in it, else 0.",
                lambda: float(lifecycle.watchdog.stalled),
            ),
            "gen_ai_server_start_seconds": (
                "Time from the start of the process until it was ready, or so far.",
                lambda: phases.total,
            ),
        }
        self.registry.register(Gauges(self._labels, readings))


def _used(keys: Keyring, attribute: str) -> Counts:
    return {(each.name,): getattr(each, attribute) for each in keys.accounts.values()}
