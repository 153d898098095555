"""The search for the highest load that keeps its limits, and what a sweep says of its runs."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.load.options import WrongOption, parsed
from benchmarks.load.result import result as result_of
from benchmarks.load.run import WorkerResult
from benchmarks.load.search import Judgement, TriedLevel, bracket, next_step
from benchmarks.load.sweep import judged
from benchmarks.load.sweep_spec import SweepSettings, SweepSpec
from benchmarks.load.sweep_text import answer, is_void, sweep_text
from benchmarks.results.schema import (
    Environment,
    Outcome,
    Prompts,
    Request,
    Subject,
)
from benchmarks.results.sweep import Sweep, SweepStep

OK_RUN = [Outcome.OK] * 20
SUBJECT = Subject(backend="b", model="m", url="http://x")


def searched(
    judge: Callable[[float], Judgement], start: float = 8, *, whole: bool = True, **settings: object
) -> tuple[list[float], str]:
    """Returns the levels that a search tried, and why it ended."""
    tried: list[TriedLevel] = []
    while True:
        search = SweepSettings.model_validate(settings)
        level, reason = next_step(tried, search, start, whole=whole)
        if level is None:
            return [each.level for each in tried], reason
        tried.append(TriedLevel(level, judge(level)))


def up_to(limit: float) -> Callable[[float], Judgement]:
    return lambda level: "kept" if level <= limit else "broke"


def test_the_search_doubles_until_a_level_breaks_and_then_narrows() -> None:
    levels, reason = searched(up_to(40))
    assert levels == [8, 16, 32, 64, 45, 38, 41]
    assert reason == "the two levels are as near as asked for"


def test_the_search_halves_until_a_level_keeps_the_limits() -> None:
    assert searched(up_to(2))[0] == [8, 4, 2, 3]
    levels, reason = searched(up_to(0))
    assert (levels, reason) == ([8, 4, 2, 1], "even the lowest level does not keep the limits")


def test_the_search_of_a_rate_takes_fractions() -> None:
    levels, _ = searched(up_to(0.7), 1, whole=False, precision=0.2)
    assert levels == pytest.approx([1, 0.5, 0.7071, 0.5946], abs=1e-4)


def test_the_search_ends_at_the_highest_level_and_at_its_last_run() -> None:
    assert searched(up_to(1000), highest=20.0)[0] == [8, 16, 20]
    levels, reason = searched(up_to(40), steps=4)
    assert levels == [8, 16, 32, 64]
    assert reason == "4 runs were made, as many as allowed"


def test_a_void_run_is_tried_once_more_and_then_bounds_the_search() -> None:
    levels, _ = searched(lambda level: "void" if level > 10 else "kept", precision=1)
    assert levels == [8, 16, 16]
    assert bracket([TriedLevel(8, "kept"), TriedLevel(16, "void")]) == (8, 16)


def test_a_level_that_was_void_by_chance_counts_by_its_second_run() -> None:
    assert bracket([TriedLevel(8, "void"), TriedLevel(8, "kept")]) == (8, None)


def spec(**values: object) -> SweepSpec:
    given = {"url": "http://x", "users": 2, "ramp": 0.0, "duration": 10.0, "gpus": 2}
    return SweepSpec.model_validate(given | {"limits": {"ttft": 1.0}} | values)


def step(load: SweepSpec, outcomes: Sequence[Outcome], ttft: float, level: float = 2) -> SweepStep:
    """Returns what is said of requests of ten tokens, each second one."""
    requests = [
        Request(
            index=n, user=n % 2, prompt="p", sent=n * 0.5, first_token=n * 0.5 + ttft,
            last_token=n * 0.5 + ttft + 0.9, ended=n * 0.5 + ttft + 0.9, outcome=outcome,
            prompt_tokens=10, cached_tokens=5, output_tokens=10, chunks=10, gaps=(0.1,) * 9,
        )
        for n, outcome in enumerate(outcomes)
    ]  # fmt: skip
    measured, _ = result_of(
        load.at_level(level),
        SUBJECT,
        Prompts(source="s", count=1, hash="h", seed=0),
        [WorkerResult(requests=tuple(requests), end=11, interrupted=False)],
        started="2026-01-01T00:00:00Z",
        environment=Environment(versions={}, host="here", cpus=1),
    )
    return judged(load, level, "why", "steps/01", measured, requests)


def swept(load: SweepSpec, *steps: SweepStep) -> Sweep:
    tried = [TriedLevel(s.level, "kept" if s.kept else "broke") for s in steps]
    kept, broke = bracket(tried)
    return Sweep(
        started_at="2026-01-01", subject=SUBJECT, unit=load.unit, limits=load.limits,
        settings=load.sweep, steps=steps, highest=kept, lowest_broken=broke, end="enough",
    )  # fmt: skip


def test_a_step_keeps_its_limits_at_the_percentile() -> None:
    good = step(spec(), OK_RUN, 0.5)
    assert good.kept
    assert good.values == {"ttft": pytest.approx(0.5)}
    assert good.cached == 0.5
    assert good.frontier.interactivity == pytest.approx(10)
    assert good.frontier.per_gpu == pytest.approx(good.frontier.tokens_per_second / 2)
    slow = step(spec(), OK_RUN, 1.5)
    assert slow.broken == ("ttft",)


def test_a_request_that_failed_kept_no_limit() -> None:
    outcomes = [*[Outcome.OK] * 18, Outcome.HTTP_ERROR, Outcome.TIMEOUT]
    failed = step(spec(), outcomes, 0.5)
    assert (failed.kept, failed.broken, failed.values) == (False, ("ttft",), {"ttft": None})
    assert step(spec(sweep={"percentile": 90.0}), outcomes, 0.5).kept


def test_the_answer_names_the_bracket_and_what_the_next_level_breaks() -> None:
    load = spec(limits={"ttft": 1.0, "end_to_end": 5.0})
    done = swept(load, step(load, OK_RUN, 0.5), step(load, OK_RUN, 1.5, level=4))
    assert answer(done) == (
        "the highest load within p99 of TTFT 1 s and end to end 5 s: 2 users; "
        "4 users do not keep that of TTFT"
    )
    assert not is_void(done)
    text = sweep_text(done)
    assert "1,500!" in text
    assert "end: enough" in text
    assert "cost/M" not in text


def test_a_server_that_answers_nobody_breaks_the_limits() -> None:
    nobody = step(spec(), [Outcome.HTTP_ERROR] * 20, 0.5, level=1)
    assert nobody.void == ()
    assert answer(swept(spec(), nobody)) == (
        "no load is within p99 of TTFT 1 s: 1 user does not keep that of TTFT, "
        "and 20 of 20 requests failed"
    )


def test_a_level_has_no_more_client_processes_than_users() -> None:
    load = spec(users=8, procs=4)
    assert [load.at_level(level).procs for level in (8, 3, 1)] == [4, 3, 1]
    assert spec(users=None, rate=8.0, mode="poisson").at_level(0.5).rate == 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sweep"], "a sweep needs a limit"),
        (["--percentile=90"], "--percentile is of a search: give --sweep, too"),
        (["--sweep", "--ttft-limit=1", "--users=8", "--highest=4"], "cannot end below"),
        (["--sweep", "--ttft-limit=1", "--percentile=101"], "--percentile: Input should be less"),
    ],
)
def test_a_wrong_sweep_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(WrongOption) as caught:
        parsed(["http://x", *words])
    assert message in str(caught.value)


def test_a_sweep_is_read_from_a_file_as_a_study_writes_it(tmp_path: Path) -> None:
    load = spec(sweep={"percentile": 90.0, "steps": 3})
    file = tmp_path / "spec.json"
    file.write_text(load.model_dump_json())
    assert parsed([f"--spec={file}"])[1] == load
