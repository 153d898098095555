"""The scores of one run of tasks, as they lie on the disk beside the results of loads."""

from typing import Final, Literal

from benchmarks.results.schema import Environment, Record, Subject

QUALITY_VERSION: Final = 1
TaskKind = Literal["exact", "choice", "perplexity", "lm_eval"]


class Score(Record):
    """`value` of a metric over `count` documents; accuracies are shares of 1. `low` and `high`
    bound an interval of 95 %, which `interval` names; None where none can be told."""

    metric: str
    better: Literal["high", "low"] = "high"
    value: float
    low: float | None
    high: float | None
    interval: str
    count: int


class DocumentScore(Record):
    """What became of one document: `line` is that of the task's file, `prompt` the hash of its
    token ids. `tokens` and `text` are the greedy answer of an `exact` task; `logprob` is the sum of
    the natural log-probabilities of `predicted` tokens, of `perplexity`."""

    line: int
    prompt: str
    right: bool | None = None
    tokens: tuple[int, ...] = ()
    text: str | None = None
    logprob: float | None = None
    predicted: int = 0


class TaskScore(Record):
    """A task's score, or the `reason` why the endpoint cannot have one. Tasks of equal `hash` asked
    the same."""

    name: str
    kind: TaskKind
    hash: str
    score: Score | None = None
    reason: str | None = None
    documents: tuple[DocumentScore, ...] = ()


class Quality(Record):
    """quality.json."""

    schema_version: Literal[1] = QUALITY_VERSION
    started_at: str
    seconds: float
    subject: Subject
    environment: Environment
    tasks: tuple[TaskScore, ...]
