"""`vllm bench serve --save-result --save-detailed`, re-judged.

Its stamps are those of one clock, but not all is in its file: neither the prompts, nor the address,
nor whether an answer's tokens are the server's count or its own, nor when a failed request ended.
"""

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from benchmarks.imports.run import NOWHERE, Foreign, NotImportable, plateau_end
from benchmarks.imports.vllm_error import outcome
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Outcome, Prompts, Request

TIMEOUT = 6 * 60 * 60.0
"""Seconds for a request, as the tool has it."""
PROTOCOLS: dict[str, Literal["chat", "completions"]] = {
    "openai": "completions",
    "openai-chat": "chat",
    "vllm": "completions",
}
UNSEEN = (
    "vllm bench serve counts an answer with an error event inside as ended well: "
    "failures inside a stream are not seen"
)
NOTES = (
    "the tool does not tell whether tokens are the server's count or its own tokenizer's",
    "each answer's last chunk is the event with its finish reason, which may have no text",
    "the tool does not tell when a failed request ended: it counts as in flight to its last chunk",
    "the time of the start is as the clock of that machine told it, taken as this one's zone",
)


class Detailed(BaseModel):
    """What is read of its file. Times in seconds; those of `start_times` are of any clock."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    date: str
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
    def _of_one_length(self) -> Self:
        lists = (self.input_lens, self.output_lens, self.queue_times, self.ttfts, self.itls)
        if not self.start_times or {len(each) for each in (*lists, self.errors)} != {
            len(self.start_times)
        }:
            raise ValueError("its lists are of different lengths, or empty")
        return self


def read(path: Path, url: str | None = None, window: float = 5.0) -> Foreign:
    """`url` is what was measured. Raises NotImportable."""
    told = _detailed(path)
    requests = tuple(sorted(_requests(told), key=lambda each: each.ended))
    end = max(max(each.ended for each in requests), told.duration)
    first_text = "the first event of its answers has no text: its TTFT is not that of a token"
    return Foreign(
        client="vllm-bench",
        version=None,
        spec=_spec(told, path, url, window, end),
        prompts=Prompts(source="vllm bench serve", count=told.num_prompts, hash="", seed=0),
        requests=requests,
        started_at=_started(told, path),
        end=end,
        ends_of_failures=False,
        warnings=(UNSEEN, first_text) if _empty_first(told) else (UNSEEN,),
        notes=NOTES,
    )


def _detailed(path: Path) -> Detailed:
    try:
        told = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotImportable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise NotImportable(f"{path} is not one JSON object: {error}") from None
    if not isinstance(told, dict) or "start_times" not in told:
        raise NotImportable(
            f"{path} has no requests: it takes vllm bench serve --save-result --save-detailed"
        )
    try:
        return Detailed.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        said = first["msg"].removeprefix("Value error, ")
        raise NotImportable(f"{path}: {where}: {said}") from None


def _began(told: Detailed) -> float:
    """When the first request was there to be sent, on the tool's clock."""
    return min(at - queued for at, queued in zip(told.start_times, told.queue_times, strict=True))


def _requests(told: Detailed) -> Iterator[Request]:
    began, opened = _began(told), told.request_rate != "inf"
    for index, (at, first) in enumerate(zip(told.start_times, told.ttfts, strict=True)):
        sent, gaps, error = at - began, told.itls[index], told.errors[index]
        stamps = tuple(accumulate(gaps, initial=sent + first)) if first else ()
        ended, status, said = outcome(error, any_chunk=bool(stamps))
        well = ended is Outcome.OK
        yield Request(
            index=index,
            user=0,
            prompt="",
            intended=sent - told.queue_times[index] if opened else None,
            sent=sent,
            first_token=stamps[0] if stamps else None,
            last_token=stamps[-1] if stamps else None,
            ended=stamps[-1] if stamps else sent,
            outcome=ended,
            status=status,
            error=said,
            prompt_tokens=told.input_lens[index] if well else None,
            output_tokens=told.output_lens[index] if well else None,
            chunks=len(stamps),
            gaps=gaps if stamps else (),
        )


def _spec(told: Detailed, path: Path, url: str | None, window: float, end: float) -> Spec:
    if told.endpoint_type not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise NotImportable(f"{path}: a run with --backend {told.endpoint_type}: known is {known}")
    if told.ramp_up_strategy is not None or told.burstiness != 1.0:
        raise NotImportable(
            f"{path}: its rate is neither constant nor Poisson's: no such load here"
        )
    began = _began(told)
    closed = told.request_rate == "inf"
    try:
        return Spec(
            url=url or NOWHERE,
            model=told.model_id,
            protocol=PROTOCOLS[told.endpoint_type],
            mode="closed" if closed else "poisson",
            users=(told.max_concurrency or told.num_prompts) if closed else None,
            rate=None if closed else float(told.request_rate),
            ramp=0.0,
            duration=plateau_end([at - began for at in told.start_times], end),
            window=window,
            timeout=TIMEOUT,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NotImportable(f"{path}: {where}: {first['msg']}") from None


def _started(told: Detailed, path: Path) -> str:
    """The file's date is that of the run's end, to the second and without a zone."""
    try:
        ended = datetime.strptime(told.date, "%Y%m%d-%H%M%S").astimezone()
    except ValueError:
        raise NotImportable(f"{path}: date: {told.date!r} is not like 20260131-235959") from None
    return (ended - timedelta(seconds=told.duration)).isoformat()


def _empty_first(told: Detailed) -> bool:
    """Whether most answers waited after their first event, and not before it as for a token."""
    answers = [
        (first, gaps) for first, gaps in zip(told.ttfts, told.itls, strict=True) if len(gaps) > 2
    ]
    waited = sum(
        gaps[0] > 3 * max(first, math.fsum(gaps[1:]) / len(gaps[1:])) for first, gaps in answers
    )
    return waited * 2 > len(answers)
