"""Tasks put to an endpoint: the score of each, with what became of every document."""

import asyncio
import hashlib
import math
from collections.abc import Sequence

from benchmarks.quality.endpoint import Refused, ScoredEndpoint
from benchmarks.quality.intervals import RATIO, WILSON, ratio, wilson
from benchmarks.quality.tasks import (
    ChoiceDocument,
    Document,
    ExactDocument,
    QualityTask,
    TextDocument,
    documents,
    task_hash,
)
from benchmarks.results.quality import DocumentScore, Score, TaskScore

AT_ONCE = 8
MAX_TOKENS = 256
"""Of an exact answer, where its task sets no limit."""


async def score(endpoint: ScoredEndpoint, task: QualityTask) -> TaskScore:
    """Returns the score of a task that has a file, or why there is none. Raises QualityFailed."""
    result = TaskScore(name=task.title, kind=task.kind, hash=task_hash(task))
    try:
        scores = await _documents(endpoint, task)
    except Refused as error:
        return result.model_copy(update={"reason": str(error)})
    total = _perplexity(scores) if task.kind == "perplexity" else _accuracy(scores)
    return result.model_copy(update={"score": total, "documents": scores})


async def _documents(endpoint: ScoredEndpoint, task: QualityTask) -> tuple[DocumentScore, ...]:
    """Returns what became of each, in the order of the file. The first one is asked alone, so that
    what cannot be had is asked for once."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def judge(line: int, document: Document) -> DocumentScore:
        async with at_once:
            try:
                return await _document(endpoint, task, line, document)
            except Refused as error:
                raise Refused(f"line {line}: {error}") from None

    first, *others = documents(task)
    scores = [await judge(*first)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(judge(*each)) for each in others]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return (*scores, *(each.result() for each in tasks))


async def _document(
    endpoint: ScoredEndpoint, task: QualityTask, line: int, document: Document
) -> DocumentScore:
    if isinstance(document, TextDocument):
        ids = await endpoint.text_ids(document.text)
        values = await endpoint.logprobs(ids)
        return DocumentScore(
            line=line, prompt=_hash(ids), logprob=math.fsum(values), predicted=len(values)
        )
    ids = await endpoint.prompt_ids(document)
    if isinstance(document, ExactDocument):
        text, tokens = await endpoint.greedy(ids, task.max_tokens or MAX_TOKENS)
        right = text == document.answer
        return DocumentScore(line=line, prompt=_hash(ids), right=right, tokens=tokens, text=text)
    sums = [await _choice(endpoint, document, choice, ids) for choice in document.choices]
    right = sums.index(max(sums)) == document.answer
    return DocumentScore(line=line, prompt=_hash(ids), right=right)


async def _choice(
    endpoint: ScoredEndpoint, document: ChoiceDocument, choice: str, ids: list[int]
) -> float:
    """Returns the log-probability of a choice after the prompt, which has the tokens `ids`."""
    own = await endpoint.choice_ids(document, choice, len(ids))
    if not own:
        raise Refused(f"the choice {choice!r} has no token of its own")
    return math.fsum((await endpoint.logprobs([*ids, *own]))[-len(own) :])


def _accuracy(scores: Sequence[DocumentScore]) -> Score:
    right, count = sum(bool(each.right) for each in scores), len(scores)
    low, high = wilson(right, count)
    return Score(
        metric="accuracy", value=right / count, low=low, high=high, interval=WILSON, count=count
    )


def _perplexity(scores: Sequence[DocumentScore]) -> Score:
    sums, counts = [-(each.logprob or 0.0) for each in scores], [each.predicted for each in scores]
    mean, half = ratio(sums, counts)
    return Score(
        metric="perplexity",
        better="low",
        value=math.exp(mean),
        low=None if half is None else math.exp(mean - half),
        high=None if half is None else math.exp(mean + half),
        interval=RATIO,
        count=len(scores),
    )


def _hash(ids: Sequence[int]) -> str:
    return hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()[:16]
