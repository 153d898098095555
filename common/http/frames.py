"""Parts of the bodies of several routes."""

from collections.abc import Sequence
from typing import Any

from common.engine import TokenLogprob
from common.errors import InternalError
from common.serving.answer import Delta
from common.serving.job import Job
from common.text.tool_calls import CallPart, ToolCallParser


def joined_logprobs(deltas: Sequence[Delta]) -> list[TokenLogprob] | None:
    """Returns the log-probabilities of one answer, None where the request asked for none."""
    if all(delta.logprobs is None for delta in deltas):
        return None
    return [entry for delta in deltas for entry in delta.logprobs or ()]


def prompt_logprobs(job: Job, index: int) -> Sequence[TokenLogprob | None]:
    """Returns what the engine has told of the prompt of an answer. Raises InternalError."""
    entries = job.answers[index].prompt_logprobs
    if entries is None or len(entries) != len(job.prompts[index // job.n]):
        raise InternalError("the engine has not given the prompt's log-probabilities")
    return entries


def token_ids(job: Job, deltas: Sequence[Delta]) -> dict[str, Any]:
    """Returns the ids of an answer's tokens as a part of its choice, on demand."""
    if not job.shown.token_ids:
        return {}
    return {"token_ids": [token_id for delta in deltas for token_id in delta.token_ids or ()]}


def split_calls(parser: ToolCallParser | None, delta: Delta) -> tuple[str, list[CallPart]]:
    """Returns the text of a delta and its parts of calls; the last delta ends the parsing."""
    if parser is None:
        return delta.text, []
    text, parts = parser.feed(delta.text)
    if delta.finish_reason is None:
        return text, parts
    rest, last = parser.finish()
    return text + rest, parts + last
