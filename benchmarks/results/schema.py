"""The result of one run, as it lies on the disk.

All times are seconds on one monotonic clock, counted from the start of the run; `started_at` ties
them to the wall. What could not be measured is None or absent, never zero.
"""

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.load.spec import Spec

SCHEMA_VERSION: Final = 2
Source = Literal["gpu", "service", "engine", "process", "client"]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(StrEnum):
    """Says how a request ended, as its client saw it. Only `OK` counts for latencies."""

    OK = "ok"
    HTTP_ERROR = "http_error"
    IN_BAND_ERROR = "in_band_error"
    CUT = "cut"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNFINISHED = "unfinished"


FAILED = frozenset(Outcome) - {Outcome.OK, Outcome.UNFINISHED}


class Request(Record):
    """One line of requests.jsonl. `intended` is when an open loop wanted it sent.

    A chunk is what one read brought; `weights` are how much each had, in events of a stream or
    characters of raw text, and empty where each had one.
    """

    index: int
    user: int
    turn: int = 0
    prompt: str
    intended: float | None = None
    sent: float
    headers: float | None = None
    first_byte: float | None = None
    first_token: float | None = None
    last_token: float | None = None
    ended: float
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    tokens_from: Literal["usage", "tokenizer"] | None = None
    chunks: int = 0
    gaps: tuple[float, ...] = ()
    weights: tuple[int, ...] = ()


class Distribution(Record):
    count: int
    mean: float
    std: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class Phase(Record):
    """Holds what one stretch of a run gave: the ramp, the plateau or the drain.

    `tokens_per_second` counts tokens by their time of arrival, those of unfinished requests too;
    latencies are of the requests that were sent in the phase and ended well. `gap` is the time
    between chunks: an inter-token latency only where `tokens_per_chunk` is 1. `tpot` is
    (last token - first token) / (tokens - 1). Latencies of an open loop start at `intended`.
    """

    start: float
    end: float
    tokens_per_second: float
    tokens_per_second_per_user: float | None
    requests_per_second: float
    goodput: float | None = None
    outcomes: dict[Outcome, int]
    ttft: Distribution | None
    tpot: Distribution | None
    gap: Distribution | None
    end_to_end: Distribution | None
    error_latency: Distribution | None = None
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    tokens_per_chunk: float | None


class Window(Record):
    """`seconds` of the run from `start`; `tokens` by arrival, `in_flight` is the mean."""

    start: float
    seconds: float
    phase: Literal["ramp", "plateau", "drain"]
    tokens: float
    tokens_per_second: float
    sent: int
    ended: int
    failed: int
    in_flight: float
    ttft: float | None = None


class Series(Record):
    """Something sampled beside the load, on its time axis: [time, value] pairs.

    `source` is gpu, service, engine, process or client; `name` such as "utilization" or
    "gen_ai_server_requests_waiting"; `unit` as Prometheus names it: ratio, bytes, watts, seconds.
    """

    source: Source
    name: str
    unit: str
    labels: dict[str, str] = {}
    points: tuple[tuple[float, float], ...]


class Verdict(Record):
    """A run is void when its client was the bottleneck; `reasons` are sentences.

    What an outside client does not tell of itself is None.
    """

    valid: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    loop_lag_p99: float | None
    client_cpu: float | None
    client_cpu_per_1000_tokens: float | None
    send_lag_p99: float | None
    users_reached: float


class Warmth(Record):
    """How warm the endpoint was when the run began. `requests` of the warm-up came before it;
    `first_ttft` and `last_ttft` are the seconds to the first token of the first and the last of
    them, which differ where an engine compiles or captures graphs for its first requests.
    `cache_emptied` is whether it was told to forget their prompts."""

    requests: int
    first_ttft: float | None
    last_ttft: float | None
    cache_emptied: bool


class Prompts(Record):
    """`hash` is that of the sequence in which the prompts were drawn, the same for all backends;
    empty where an outside client does not tell it. `token_ids` is the hash of what the endpoint
    makes of the first of them, by its own POST /tokenize; None where it has none."""

    source: str
    count: int
    skipped: int = 0
    hash: str
    seed: int
    token_ids: str | None = None


class Cost(Record):
    price_per_hour: float | None = None
    per_million_output_tokens: float | None = None
    joules_per_output_token: float | None = None


class Subject(Record):
    """Names what was measured: a cell of a study, or an endpoint that somebody named.

    `settings` are those that the service was started with. `series` tells apart what else is the
    same, such as an engine as it is and tuned. `runs_before` counts the runs that the same start
    had answered before; None where nobody knows, as of an endpoint that a study did not start.
    """

    backend: str
    series: str | None = None
    backend_version: str | None = None
    engine: str | None = None
    model: str
    quantization: str | None = None
    url: str
    settings: dict[str, str] = {}
    repeat: int = 0
    runs_before: int | None = None


class Environment(Record):
    """`versions` of what took part; `gpus` by name, empty without one; `commit` of this code.

    Of an imported run `host` is "unknown" and `cpus` 0.
    """

    versions: dict[str, str]
    commit: str | None = None
    host: str
    cpus: int
    gpus: tuple[str, ...] = ()
    driver: str | None = None


class Result(Record):
    """result.json."""

    schema_version: Literal[2] = SCHEMA_VERSION
    started_at: str
    client: Literal["load", "aiperf", "vllm-bench"] = "load"
    subject: Subject
    load: Spec
    prompts: Prompts
    environment: Environment
    verdict: Verdict
    ramp: Phase | None
    plateau: Phase
    drain: Phase | None
    windows: tuple[Window, ...]
    series: tuple[Series, ...] = ()
    cost: Cost = Cost()
    warmth: Warmth | None = None
    notes: tuple[str, ...] = ()
