"""A folder of `aiperf profile`, each of its records judged again.

aiperf 0.13.0 counts an answer with an error event inside as ended well; but such an answer has no
usage, which every whole one has where --use-server-token-count asked for it.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.imports.aiperf_records import RECORDS, Record, read_records, requests, start_of
from benchmarks.imports.run import Foreign, NotImportable, plateau_end
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Outcome, Prompts, Request

SUMMARY = "profile_export_aiperf.json"
NANOS = 1_000_000_000
TIMEOUT = 6 * 60 * 60.0
"""Seconds for a request, aiperf's default."""
WINDOW = 5.0
NOTES = (
    "a request without the server's count of its tokens counts as failed, whatever aiperf says",
    "aiperf leaves out the requests that it cancels after its grace period",
    "aiperf does not tell what came of a request before its connection was cut",
)


class Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Ramp(Told):
    duration: float


class Phase(Told):
    kind: str
    type: str
    duration: float | None = None
    concurrency: int | None = None
    concurrency_ramp: Ramp | None = None
    rate: float | None = None


class Endpoint(Told):
    urls: tuple[str, ...] = Field(min_length=1)
    type: str
    streaming: bool = False
    timeout: float = TIMEOUT


class Osl(Told):
    mean: float


class Dataset(Told):
    path: str | None = None
    format: str | None = None
    random_seed: int | None = None
    osl: Osl | None = None


class Model(Told):
    name: str


class Models(Told):
    items: tuple[Model, ...] = Field(min_length=1)


class Artifacts(Told):
    slice_duration: float | None = None


class Config(Told):
    models: Models
    endpoint: Endpoint
    datasets: tuple[Dataset, ...] = Field(min_length=1)
    phases: tuple[Phase, ...]
    artifacts: Artifacts = Artifacts()


class Summary(Told):
    """What is read of profile_export_aiperf.json."""

    aiperf_version: str
    input_config: Config
    was_cancelled: bool = False


def read(folder: Path) -> Foreign:
    """Of a folder with both of aiperf's files. Raises NotImportable."""
    summary = _summary(folder / SUMMARY)
    records = read_records(folder / RECORDS)
    opened = any(each.rate is not None for each in summary.input_config.phases)
    made = requests(records, opened=opened)
    end = max(each.ended for each in made)
    spec = _spec(summary.input_config, folder, made, end)
    dataset = summary.input_config.datasets[0]
    prompts = Prompts(
        source=Path(dataset.path).name if dataset.path else dataset.format or "synthetic",
        count=len({each.prompt for each in made}),
        hash="",
        seed=dataset.random_seed or 0,
    )
    version, cancelled = summary.aiperf_version, summary.was_cancelled
    return foreign(spec, prompts, records, made, version, cancelled=cancelled)


def foreign(
    spec: Spec,
    prompts: Prompts,
    records: Sequence[Record],
    made: Sequence[Request],
    version: str,
    *,
    cancelled: bool = False,
) -> Foreign:
    """Of records that were asked for by `spec`."""
    failed = [each for each in made if each.outcome not in (Outcome.OK, Outcome.UNFINISHED)]
    last = max(each.ended for each in made)
    started = datetime.fromtimestamp(start_of(records) / NANOS, UTC)
    return Foreign(
        client="aiperf",
        version=version,
        spec=spec,
        prompts=prompts,
        requests=tuple(made),
        started_at=started.isoformat(),
        end=last if cancelled else max(spec.duration, last),
        cancelled=cancelled,
        ends_of_failures=all(each.ended > each.sent for each in failed),
        notes=NOTES,
    )


def _summary(path: Path) -> Summary:
    try:
        told: Any = json.loads(path.read_text("utf-8"))
        return Summary.model_validate(told)
    except FileNotFoundError:
        raise NotImportable(
            f"{path} is missing: aiperf writes none where every request failed"
        ) from None
    except OSError as error:
        raise NotImportable(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise NotImportable(f"{path}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise NotImportable(f"{path} is not JSON: {error}") from None


def _spec(config: Config, folder: Path, made: Sequence[Request], end: float) -> Spec:
    """Where aiperf was given a number of requests, the plateau ends when the last is sent."""
    phase = _profiling(config, folder)
    dataset, closed = config.datasets[0], phase.type == "concurrency"
    ramp = phase.concurrency_ramp.duration if phase.concurrency_ramp and closed else 0.0
    given: dict[str, Any] = {
        "url": config.endpoint.urls[0],
        "model": config.models.items[0].name,
        "protocol": _protocol(config.endpoint, folder),
        "mode": "closed" if closed else phase.type,
        "users": phase.concurrency if closed else None,
        "rate": None if closed else phase.rate,
        "ramp": ramp,
        "duration": phase.duration or plateau_end([each.sent for each in made], end),
        "window": config.artifacts.slice_duration or WINDOW,
        "max_tokens": round(dataset.osl.mean) if dataset.osl else None,
        "timeout": config.endpoint.timeout,
    }
    try:
        return Spec(**given)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise NotImportable(f"{folder}: no load of ours: {said}") from None


def _profiling(config: Config, folder: Path) -> Phase:
    phases = [phase for phase in config.phases if phase.kind == "profiling"]
    known = ("concurrency", "poisson", "constant")
    if len(phases) != 1 or phases[0].type not in known:
        kinds = ", ".join(phase.type for phase in phases) or "none"
        raise NotImportable(
            f"{folder}: profiling phases: {kinds}; it takes one of {', '.join(known)}"
        )
    return phases[0]


def _protocol(endpoint: Endpoint, folder: Path) -> Literal["chat", "completions"]:
    if not endpoint.streaming:
        raise NotImportable(f"{folder}: made without --streaming: no times of tokens are in it")
    if endpoint.type == "chat":
        return "chat"
    if endpoint.type == "completions":
        return "completions"
    raise NotImportable(f"{folder}: endpoint {endpoint.type}: known is chat, completions")
