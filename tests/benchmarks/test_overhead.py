"""What counts in the table of the overhead, and what it says."""

import pytest

from benchmarks.overhead import cpu_per_1000, fault, rate, table
from benchmarks.results.schema import Outcome, Request, Result
from tests.benchmarks.report.synthetic import result

LIMIT = 128
"""The tokens that synthetic results ask for."""


def answer(tokens: int, *, outcome: Outcome = Outcome.OK, usage: bool = False) -> Request:
    return Request(
        index=0, user=0, prompt="p", sent=0, ended=1, outcome=outcome, output_tokens=tokens,
        error=None if outcome is Outcome.OK else "the engine has died",
        tokens_from="usage" if usage else "tokenizer",
    )  # fmt: skip


def run(backend: str, repeat: int, speed: float) -> Result:
    return result(backend, repeat=repeat, speed=speed, noise=0)


def cells(text: str, row: int) -> list[str]:
    return [cell.strip() for cell in text.splitlines()[2 + row].strip("|").split("|")]


def test_a_run_counts_when_all_answers_have_as_many_tokens() -> None:
    measured = run("ours", 0, 1000)
    assert fault(measured, [answer(19), answer(19)]) is None
    assert fault(measured, [answer(LIMIT, usage=True), answer(LIMIT, usage=True)]) is None
    unfinished = answer(3, outcome=Outcome.UNFINISHED)
    assert fault(measured, [answer(19), unfinished]) is None


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([answer(19), answer(18)], "tokens, not 128"),
        ([answer(19, usage=True)], "answers of 19 tokens, not 128"),
        ([answer(19), answer(0, outcome=Outcome.CUT)], "1 request failed, the first: cut the eng"),
    ],
)
def test_a_wrong_answer_voids_its_run(answers: list[Request], reason: str) -> None:
    assert reason in str(fault(run("ours", 0, 1000), answers))


def test_a_run_whose_client_was_the_bottleneck_is_void() -> None:
    assert fault(result(void=("the client used 99% of a core",)), [answer(LIMIT)]) is not None


def test_ratios_are_taken_within_a_round_and_void_runs_count_nowhere() -> None:
    ours, theirs = (300.0, 600.0, 100.0, 900.0), (100.0, 150.0, 50.0, 1.0)
    results = [(run("ours", n, speed), n < 3) for n, speed in enumerate(ours)]
    results += [(run("theirs", n, speed), True) for n, speed in enumerate(theirs)]
    text = table(results)
    assert cells(text, 0)[:4:3] == ["ours", "1.00 (1.00–1.00)"]
    name, runs, rates, ratio = cells(text, 1)[:4]
    assert (name, runs, ratio) == ("theirs", "4", "0.33 (0.25–0.50)")
    low, high = (f"{rate(run('theirs', n, theirs[n])):,.0f}" for n in (3, 1))
    assert rates.endswith(f"({low}–{high})")


def test_a_server_without_a_run_that_counts_keeps_its_row() -> None:
    text = table([(run("ours", 0, 300), False), (run("theirs", 0, 100), True)])
    assert cells(text, 0)[:4] == ["ours", "0", "-", "-"]
    assert cells(text, 1)[:4:3] == ["theirs", "-"]


def test_cpu_is_of_all_processes_of_the_server_for_each_token() -> None:
    measured = run("ours", 0, 1000)
    series = [one for one in measured.series if (one.source, one.name) == ("process", "cpu")]
    points = tuple((at, 2.0) for at, _ in series[0].points)
    roles = ({"role": "api"}, {"role": "supervisor"})
    both = [series[0].model_copy(update={"labels": role, "points": points}) for role in roles]
    measured = measured.model_copy(update={"series": tuple(both)})
    assert cpu_per_1000(measured, ("api",)) == pytest.approx(2e6 / rate(measured))
    assert cpu_per_1000(measured) == pytest.approx(4e6 / rate(measured))
