"""LMDeploy's own series: they move only once the handler was started."""

from typing import Any

from prometheus_client import Counter, Gauge

from ..messages import ScheduleMetrics


class MetricsProcessor:
    def __init__(self) -> None:
        self.enable_metrics = False
        self._tokens: Any = None
        self._running: Any = None

    def register(self, model_name: str) -> None:
        labels = {"model_name": model_name, "engine": "0"}
        self._tokens = Counter(
            "lmdeploy:generation_tokens_total",
            "Number of generation tokens processed.",
            labels,
        ).labels(**labels)
        self._running = Gauge(
            "lmdeploy:num_requests_running",
            "Number of requests in model execution batches.",
            labels,
        ).labels(**labels)

    def start_metrics_handler(self, enable_metrics: bool) -> None:
        self.enable_metrics = enable_metrics

    async def stop_metrics_handler(self) -> None:
        self.enable_metrics = False

    def queue_update(self, update_data: Any) -> None:
        if self.enable_metrics:
            self._tokens.inc(len(update_data.token_ids))

    async def update_schedule_stats(self, schedule_metrics: ScheduleMetrics) -> None:
        self._running.set(schedule_metrics.active_seqs)


metrics_processor = MetricsProcessor()
