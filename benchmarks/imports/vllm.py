"""The file of `vllm bench serve --save-result --save-detailed`, judged again.

Its stamps are those of one clock. It lacks the prompts, the address, whether an answer's tokens are
the server's count or the tool's own, and when a failed request ended.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from benchmarks.imports.external_run import (
    TIMEOUT,
    UNKNOWN,
    WINDOW,
    chunk_fields,
    import_errors,
    outcome_of_error,
    plateau_end,
)
from benchmarks.load.result import result
from benchmarks.load.run import WorkerResult
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Environment, Outcome, Prompts, Request, Result, Subject
from common.messages import one_line

NO_CHUNK = "Never received a valid chunk"
STATUSES = {status.phrase: status.value for status in HTTPStatus}
NOTES = (
    "vllm bench serve counts an answer with an error event inside as ended well",
    "it takes a first event without text for the first token, and the last event for the last",
    "it does not tell when a failed request ended, nor whether the server counted the tokens",
)


def _local_time(text: object) -> datetime:
    return datetime.strptime(str(text), "%Y%m%d-%H%M%S").astimezone()


class DetailedResult(BaseModel):
    """Holds what is read of the file. Times are in seconds, `start_times` on a clock of any origin.

    `date` is that of the run's end, to the second. A load that is unknown here is no valid value.
    """

    date: Annotated[datetime, BeforeValidator(_local_time)]
    endpoint_type: Literal["openai", "openai-chat", "vllm"]
    model_id: str
    num_prompts: int
    request_rate: float | Literal["inf"]
    burstiness: float = Field(1.0, ge=1, le=1)
    max_concurrency: int | None
    ramp_up_strategy: None = None
    duration: float
    input_lens: tuple[int, ...]
    output_lens: tuple[int, ...]
    start_times: tuple[float, ...]
    queue_times: tuple[float, ...]
    ttfts: tuple[float, ...]
    itls: tuple[tuple[float, ...], ...]
    errors: tuple[str, ...]

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        lengths = {len(values) for _, values in self if isinstance(values, tuple)}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError("its lists are of different lengths, or empty")
        return self


def read(path: Path) -> tuple[Result, list[Request]]:
    """Returns the result of the run, and its requests. Raises NotImportable."""
    with import_errors(path, "; it takes vllm bench serve --save-result --save-detailed"):
        detailed = DetailedResult.model_validate_json(path.read_bytes())
    requests = sorted(_requests(detailed), key=lambda each: each.ended)
    duration = plateau_end(requests, max(requests[-1].ended, detailed.duration))
    with import_errors(path):
        spec = _spec(detailed, duration)
    started = detailed.date - timedelta(seconds=detailed.duration)
    end = max(spec.duration, requests[-1].ended)
    return result(
        spec,
        Subject(backend=UNKNOWN, model=detailed.model_id, url=spec.url),
        Prompts(source="vllm bench serve", count=detailed.num_prompts, hash="", seed=0),
        [WorkerResult(requests=tuple(requests), end=end, interrupted=False)],
        started=started.isoformat(),
        environment=Environment(versions={}, host=UNKNOWN, cpus=0),
        client="vllm-bench",
        notes=NOTES,
    )


def _requests(detailed: DetailedResult) -> Iterator[Request]:
    """Yields each request, with times in seconds from when the first was ready to be sent."""
    rows = zip(
        *(detailed.start_times, detailed.queue_times, detailed.ttfts, detailed.itls),
        *(detailed.input_lens, detailed.output_lens, detailed.errors),
        strict=True,
    )
    times = zip(detailed.start_times, detailed.queue_times, strict=True)
    start, is_open = min(at - queued for at, queued in times), detailed.request_rate != "inf"
    for index, (at, queued, ttft, itl, input_len, output_len, error) in enumerate(rows):
        sent = at - start
        chunks = chunk_fields(sent + ttft if ttft else None, itl)
        outcome, status, message = outcome_of(error, any_chunk=bool(chunks))
        complete = outcome is Outcome.OK
        yield Request(
            index=index,
            user=0,
            prompt="",
            intended=sent - queued if is_open else None,
            sent=sent,
            ended=chunks.get("last_token", sent),
            outcome=outcome,
            status=status,
            error=message,
            prompt_tokens=input_len if complete else None,
            output_tokens=output_len if complete else None,
            **chunks,
        )


def outcome_of(error: str, *, any_chunk: bool) -> tuple[Outcome, int | None, str | None]:
    """Returns the outcome, the HTTP status and the error's text in one line.

    The tool keeps a traceback, or the reason phrase of a response that was not 200, or a sentence
    for an answer without a chunk.
    """
    if not error:
        return (Outcome.OK, 200, None) if any_chunk else (Outcome.CUT, 200, "no chunk came")
    message = one_line(error.strip().splitlines()[-1])
    if error.startswith(NO_CHUNK):
        return Outcome.CUT, 200, message
    if not error.startswith("Traceback"):
        return Outcome.HTTP_ERROR, STATUSES.get(error), message
    exception = message.partition(":")[0].rpartition(".")[2]
    return outcome_of_error(exception, answered=any_chunk), None, message


def _spec(detailed: DetailedResult, duration: float) -> Spec:
    """Returns the load that the tool was asked for. The endpoint's address is unknown."""
    rate = detailed.request_rate
    closed = rate == "inf"
    return Spec(
        url="http://unknown",
        model=detailed.model_id,
        protocol="chat" if detailed.endpoint_type == "openai-chat" else "completions",
        mode="closed" if closed else "poisson",
        users=(detailed.max_concurrency or detailed.num_prompts) if closed else None,
        rate=None if closed else float(rate),
        ramp=0.0,
        duration=duration,
        window=WINDOW,
        timeout=TIMEOUT,
    )
