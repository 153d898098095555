"""The server-sent events of an answer: what is constant in them is serialized once.

Where a request asks for usage, each event has it: null, or the tokens so far.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from common.http.schemas import StreamOptions
from common.serving.job import Job

DONE = b"data: [DONE]\n\n"
PLACE = b'"@"'
"""Stands in a sample where a text goes."""
COUNTS = ("#", "##", "###")
"""Stand in it where the tokens go: the answer's, all, and those of reasoning."""


def event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


class Events:
    """Makes the events of one response from its `frame`, which all of them share."""

    __slots__ = ("_asks_usage", "_counts", "_frame", "_job", "_no_usage")

    def __init__(self, frame: Mapping[str, Any], job: Job, options: StreamOptions | None) -> None:
        self._job = job
        self._frame = frame
        self._asks_usage = options is not None and options.include_usage
        self._counts = options is not None and options.continuous_usage_stats
        self._no_usage: dict[str, Any] = {"usage": None} if self._asks_usage else {}

    def texts(self, choice: Mapping[str, Any]) -> "_Text":
        """Returns what makes the event of a piece of text, by the index of its answer: most tokens
        take this way. `choice` holds the placeholder "@" where the text goes."""
        usage, make = self._no_usage, _Text
        if self._counts:
            usage, make = {"usage": usage_of(self._job, COUNTS)}, _CountedText
        return make(
            self._job,
            [
                event({**self._frame, "choices": [{"index": index, **choice}], **usage})
                for index in range(len(self._job.prompts) * self._job.n)
            ],
            orjson.dumps(choice).count(PLACE),
        )

    def choice(self, choice: Mapping[str, Any], **more: Any) -> bytes:
        """Returns the event of one choice; `more` stands beside it."""
        usage = {"usage": usage_of(self._job)} if self._counts else self._no_usage
        return event({**self._frame, "choices": [choice], **more, **usage})

    def last(self) -> bytes:
        """Returns the end of a stream, with the usage of the whole request on demand."""
        if not self._asks_usage:
            return DONE
        return event({**self._frame, "choices": [], "usage": usage_of(self._job)}) + DONE


class _Text:
    """Makes the event of a piece of text: constant bytes around a JSON string."""

    __slots__ = ("_job", "_parts")

    def __init__(self, job: Job, samples: list[bytes], places: int) -> None:
        """`samples` has an event of each answer, with "@" for its text in so many places."""
        self._job = job
        self._parts = [sample.rsplit(PLACE, places) for sample in samples]

    def __call__(self, index: int, text: str) -> bytes:
        return orjson.dumps(text).join(self._parts[index])


class _CountedText(_Text):
    """Adds how many tokens there are so far."""

    __slots__ = ("_prompt_tokens",)

    def __init__(self, job: Job, samples: list[bytes], places: int) -> None:
        super().__init__(job, samples, places)
        self._prompt_tokens = job.prompt_tokens
        for parts in self._parts:
            for place in COUNTS:
                parts[-1] = parts[-1].replace(b'"%s"' % place.encode(), b"%d")

    def __call__(self, index: int, text: str) -> bytes:
        job = self._job
        tokens = job.completion_tokens
        counts: tuple[int, ...] = (tokens, self._prompt_tokens + tokens)
        if job.thinking is not None:
            counts += (job.reasoning_tokens,)
        *parts, tail = self._parts[index]
        return orjson.dumps(text).join([*parts, tail % counts])


def usage_of(job: Job, counts: Sequence[Any] | None = None) -> dict[str, Any]:
    """Returns OpenAI's usage object, with cached tokens where the engine counts them, and those of
    reasoning where it is looked for. `counts` stand in the place of what grows."""
    prompt, completion = job.prompt_tokens, job.completion_tokens
    new, total, reasoning = counts or (completion, prompt + completion, job.reasoning_tokens)
    value: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": new,
        "total_tokens": total,
    }
    if job.thinking is not None:
        value["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    if job.cached_tokens is not None:
        value["prompt_tokens_details"] = {"cached_tokens": job.cached_tokens}
    return value
