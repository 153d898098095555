"""What the sampler's process is asked for, and what it answers."""

from benchmarks.results.schema import Record, Series


class Job(Record):
    """`interval` in seconds; `api_key_variable` names the variable that holds a key."""

    metrics_url: str | None
    pids: tuple[int, ...]
    client_pid: int
    gpus: bool = True
    interval: float
    api_key_variable: str | None = None


class Sampled(Record):
    """Times by time.monotonic; `warnings` are sentences."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]
