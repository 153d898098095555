"""Quality beside speed: what a scheme lost, who agrees, and no fastest one without a word."""

from pathlib import Path

import pytest

from benchmarks.quality.intervals import wilson
from benchmarks.report.__main__ import main
from benchmarks.report.answers import answers
from benchmarks.report.matrix import matrices
from benchmarks.report.quality import QualityIndex, agreement, columns, losses, scores
from benchmarks.report.runs import ScoredRun
from benchmarks.report.score_changes import change
from benchmarks.results.files import write, write_quality
from benchmarks.results.quality import DocumentScore, Quality, Score, TaskKind, TaskScore
from benchmarks.results.schema import Result
from tests.benchmarks.report.synthetic import group, repeats, result

COUNT = 100
REASON = "line 1: POST /v1/completions answers 400: it has no log-probabilities"


def exact(right: int, *, name: str = "questions", hash_: str = "h") -> TaskScore:
    """Returns a hundred answers: the first are right, the others differ at the third token."""
    low, high = wilson(right, COUNT)
    documents = tuple(
        DocumentScore(
            line=n, prompt=str(n), right=n < right, tokens=(1, 2, 3 if n < right else 4),
            text="right" if n < right else "wrong",
        )
        for n in range(COUNT)
    )  # fmt: skip
    score = Score(
        metric="accuracy", value=right / COUNT, low=low, high=high, interval="Wilson", count=COUNT
    )
    return TaskScore(name=name, kind="exact", hash=hash_, score=score, documents=documents)


def perplexity(*logprobs: float, kind: TaskKind = "perplexity") -> TaskScore:
    documents = tuple(
        DocumentScore(line=n, prompt=str(n), logprob=value, predicted=10)
        for n, value in enumerate(logprobs)
    )
    score = Score(
        metric="perplexity", better="low", value=2, low=1, high=3, interval="", count=len(logprobs)
    )
    return TaskScore(name="texts", kind=kind, hash="h", score=score, documents=documents)


def scored(measured: Result, *tasks: TaskScore) -> ScoredRun:
    """Returns scores of what `measured` is a load of."""
    quality = Quality(
        started_at="2026-11-01", seconds=1, subject=measured.subject,
        environment=measured.environment, tasks=tasks,
    )  # fmt: skip
    return ScoredRun("where", quality)


def test_answers_are_compared_one_by_one() -> None:
    lost = change(exact(99), exact(80))
    assert lost is not None
    assert (lost.verdict, lost.words) == ("worse", "19 right answers lost, 0 gained")
    few = change(exact(99), exact(95))
    assert few is not None
    assert few.verdict == "no difference shown"
    better = change(exact(80), exact(99))
    assert better is not None
    assert better.verdict == "better"


def test_other_questions_are_not_compared() -> None:
    assert change(exact(99), exact(80, hash_="other")) is None


def test_perplexity_is_compared_text_by_text() -> None:
    base = perplexity(-20.0, -40.0, -30.0)
    worse = change(base, perplexity(-21.0, -41.1, -30.9))
    assert worse is not None
    assert (worse.verdict, worse.words) == ("worse", "+10.52 %")
    same = change(base, perplexity(-21.0, -39.0, -30.1))
    assert same is not None
    assert same.verdict == "no difference shown"


def test_what_rounding_changes_on_every_text_is_no_loss() -> None:
    found = change(perplexity(-20.0, -40.0), perplexity(-20.05, -40.05))
    assert found is not None
    assert (found.verdict, found.words) == ("no difference shown", "+0.50 %")


def test_scores_of_lm_eval_differ_where_their_intervals_do_not_explain_it() -> None:
    def told(value: float) -> TaskScore:
        score = Score(metric="acc", value=value, low=value - 0.05, high=value + 0.05,
                      interval="", count=COUNT)  # fmt: skip
        return TaskScore(name="arc", kind="lm_eval", hash="h", score=score)

    verdicts = [found.verdict for v in (0.85, 0.72) if (found := change(told(0.8), told(v)))]
    assert verdicts == ["no difference shown", "worse"]


def test_a_scheme_that_is_faster_and_worse_is_not_ranked_first_without_a_word() -> None:
    plain = result("vllm", 50, speed=2400)
    fast = [result("vllm", 50, n, speed=3600, quantization="awq") for n in range(3)]
    others = [result("lmdeploy", 50, n, speed=1800, quantization="awq") for n in range(3)]
    four_bits, unquantized = group(*fast, *others), group(plain)
    index = QualityIndex(
        [
            scored(plain, exact(99)),
            scored(fast[0], exact(80)),
            scored(others[0], exact(82)),
        ]
    )
    worse = losses(four_bits, index)
    assert worse == {"vLLM": "worse than its unquantized model in questions 80.0 % against 99.0 %"}
    fastest, *_, right = answers(four_bits, index)
    assert fastest.text.startswith("At 50 users vLLM [its answers are worse]: ")
    assert right.text.startswith(f"The answers of vLLM are {worse['vLLM']}. Scores of questions: ")
    assert matrices(four_bits, worse)[0].rows[1][0] == "vLLM (worse answers)"
    table = scores(index, [four_bits, unquantized])
    (row,) = (row for row in table.rows if row[2] == "awq" and row[0] == "vLLM")
    assert row[-3:-1] == ("19 right answers lost, 0 gained", "worse")
    assert row[-1] == pytest.approx(50, abs=5)


def test_engines_of_one_group_are_compared_with_each_other() -> None:
    runs = {name: repeats(name, 2400) for name in ("vllm", "lmdeploy")}
    index = QualityIndex(
        [scored(runs["vllm"][0], exact(99)), scored(runs["lmdeploy"][0], exact(60))]
    )
    found = losses(group(*runs["vllm"], *runs["lmdeploy"]), index)
    assert found == {"LMDeploy": "worse than vLLM in questions 60.0 % against 99.0 %"}


def test_a_control_is_neither_ranked_nor_the_measure_of_answers() -> None:
    echo = repeats("echo", 4000)
    vllm = repeats("vllm", 2400)
    compared = group(*echo, *vllm)
    index = QualityIndex([scored(echo[0], exact(100)), scored(vllm[0], exact(60))])
    assert losses(compared, index) == {}
    fastest, *_, right = answers(compared, index)
    assert fastest.text.startswith("At 50 users vLLM: ")
    assert fastest.text.endswith(", with nothing valid to rank it against.")
    assert right.text == "No loss is shown. Scores of questions: vLLM 60.0 % (50.2 to 69.1)."


def test_agreement_tells_the_share_and_the_first_differing_token() -> None:
    one, other = result("vllm", 50), result("lmdeploy", 50)
    index = QualityIndex([scored(one, exact(100)), scored(other, exact(75))])
    (row,) = agreement(index).rows
    assert row == ("vLLM", "LMDeploy", "made-up-8b", "questions", COUNT, 75.0, 3.0, 3)


def test_other_prompt_ids_are_no_disagreement() -> None:
    other = exact(75)
    elsewhere = tuple(
        each.model_copy(update={"prompt": "other"}) if each.line >= 50 else each
        for each in other.documents
    )
    index = QualityIndex(
        [
            scored(result("vllm", 50), exact(100)),
            scored(result("lmdeploy", 50), other.model_copy(update={"documents": elsewhere})),
        ]
    )
    assert agreement(index).rows[0][4:6] == (50, 100.0)


def test_what_a_backend_cannot_do_is_told_with_its_reason() -> None:
    without = TaskScore(name="texts", kind="perplexity", hash="h", reason=REASON)
    runs = repeats("vllm", 2400)
    index = QualityIndex([scored(runs[0], exact(99), without)])
    compared = group(*runs)
    assert columns(compared, index)["texts, perplexity"] == ["cannot be measured"]
    assert scores(index, [compared]).rows[1][4] == f"cannot be measured: {REASON}"


def test_the_page_has_the_scores_and_an_older_file_is_named(tmp_path: Path) -> None:
    measured = result("vllm", 50)
    write(tmp_path / "cells" / "one", measured, [])
    write_quality(tmp_path / "cells" / "two", scored(measured, exact(99)).quality)
    old = tmp_path / "cells" / "old" / "quality.json"
    old.parent.mkdir()
    old.write_text('{"schema_version": 0}')
    assert main([str(tmp_path)]) == 0
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "Quality of the answers" in page
    assert "cells/old/quality.json: " in page
    assert "questions, accuracy, %" in (tmp_path / "report" / "summary.csv").read_text("utf-8")
