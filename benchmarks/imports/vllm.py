"""The file of `vllm bench serve --save-result --save-detailed`, judged again.

Its stamps are those of one clock. It lacks the prompts, the address, whether an answer's tokens are
the server's count or the tool's own, and when a failed request ended.
"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, model_validator

from benchmarks.imports.external_run import (
    UNKNOWN_URL,
    ExternalRun,
    NotImportable,
    chunk_fields,
    import_errors,
    one_line,
    outcome_of_error,
    plateau_end,
)
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Outcome, Prompts, Request

TIMEOUT = 6 * 60 * 60.0
"""Seconds for a request, as the tool has it."""
WINDOW = 5.0
PROTOCOLS: dict[str, Literal["chat", "completions"]] = {
    "openai": "completions",
    "openai-chat": "chat",
    "vllm": "completions",
}
NO_CHUNK = "Never received a valid chunk"
STATUSES = {status.phrase: status.value for status in HTTPStatus}
UNSEEN_FAILURES = (
    "vllm bench serve counts an answer with an error event inside as ended well: "
    "failures inside a stream are not seen"
)
EMPTY_FIRST_EVENT = "the first event of its answers has no text: its TTFT is not that of a token"
NOTES = (
    "the tool does not tell whether tokens are the server's count or its own tokenizer's",
    "each answer's last chunk is the event with its finish reason, which may have no text",
    "the tool does not tell when a failed request ended: it counts as in flight to its last chunk",
    "the time of the start is as the clock of that machine told it, taken as this one's zone",
)


def _local_time(text: object) -> datetime:
    return datetime.strptime(str(text), "%Y%m%d-%H%M%S").astimezone()


class DetailedResult(BaseModel):
    """Holds what is read of the file. Times are in seconds, `start_times` on a clock of any origin.

    `date` is that of the run's end, to the second.
    """

    date: Annotated[datetime, BeforeValidator(_local_time)]
    endpoint_type: str
    model_id: str
    num_prompts: int
    request_rate: float | Literal["inf"]
    burstiness: float = 1.0
    max_concurrency: int | None
    ramp_up_strategy: str | None = None
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


def read(path: Path, url: str | None = None) -> ExternalRun:
    """Returns the run; `url` is the endpoint that was measured. Raises NotImportable."""
    with import_errors(path, "; it takes vllm bench serve --save-result --save-detailed"):
        detailed = DetailedResult.model_validate_json(path.read_bytes())
    requests = tuple(sorted(_requests(detailed), key=lambda each: each.ended))
    end = max(requests[-1].ended, detailed.duration)
    empty_first = _has_empty_first_events(detailed)
    return ExternalRun(
        client="vllm-bench",
        version=None,
        spec=_spec(detailed, path, url, plateau_end(requests, end)),
        prompts=Prompts(source="vllm bench serve", count=detailed.num_prompts, hash="", seed=0),
        requests=requests,
        started_at=(detailed.date - timedelta(seconds=detailed.duration)).isoformat(),
        end=end,
        has_failure_ends=False,
        warnings=(UNSEEN_FAILURES, EMPTY_FIRST_EVENT) if empty_first else (UNSEEN_FAILURES,),
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


def _spec(detailed: DetailedResult, path: Path, url: str | None, duration: float) -> Spec:
    """Returns the load that the tool was asked for; raises NotImportable for one unknown here."""
    backend, rate = detailed.endpoint_type, detailed.request_rate
    if backend not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise NotImportable(f"{path}: a run with --backend {backend}: known is {known}")
    if detailed.ramp_up_strategy is not None or detailed.burstiness != 1.0:
        raise NotImportable(
            f"{path}: its rate is neither constant nor Poisson's: no such load here"
        )
    closed = rate == "inf"
    with import_errors(path):
        return Spec(
            url=url or UNKNOWN_URL,
            model=detailed.model_id,
            protocol=PROTOCOLS[backend],
            mode="closed" if closed else "poisson",
            users=(detailed.max_concurrency or detailed.num_prompts) if closed else None,
            rate=None if closed else float(rate),
            ramp=0.0,
            duration=duration,
            window=WINDOW,
            timeout=TIMEOUT,
        )


def _has_empty_first_events(detailed: DetailedResult) -> bool:
    """Tells whether most answers waited after their first event, and not before it."""
    pairs = zip(detailed.ttfts, detailed.itls, strict=True)
    answers = [(ttft, itl) for ttft, itl in pairs if len(itl) > 2]
    waited = sum(
        itl[0] > 3 * max(ttft, math.fsum(itl[1:]) / (len(itl) - 1)) for ttft, itl in answers
    )
    return waited * 2 > len(answers)
