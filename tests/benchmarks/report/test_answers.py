"""What is answered and remarked of a group follows from its numbers, and nothing more."""

from pathlib import Path

from benchmarks.report.answers import Answer, answers
from benchmarks.report.cells import Group, groups, places
from benchmarks.report.controls import control_sentences
from benchmarks.report.matrix import Matrix, MatrixCell, Standing, matrices
from benchmarks.report.metrics import RATE
from benchmarks.report.missing import missing
from benchmarks.report.quality import QualityIndex
from benchmarks.report.ranking import ranked
from benchmarks.report.remarks import remarks
from benchmarks.report.runs import ReportedCell, Run, Study
from benchmarks.results.schema import Outcome, Result
from tests.benchmarks.report.synthetic import CONTROL, SPEED, group, repeats, result


def answered(compared: Group) -> list[Answer]:
    return answers(compared, QualityIndex([]))


def fastest(compared: Group) -> str:
    return answered(compared)[0].text


def test_a_clear_difference_is_ranked_with_its_figure_and_its_range() -> None:
    text = fastest(group(*repeats("vllm", 2400), *repeats("sglang", 4000)))
    assert text.startswith("At 50 users SGLang: 2,")
    assert "tokens/s (2," in text
    assert text.endswith("more than vLLM.")


def test_a_difference_within_the_spread_is_not_ranked() -> None:
    close = (*repeats("vllm", 2400, noise=0.1), *repeats("sglang", 2450, noise=0.1))
    compared = group(*close)
    assert fastest(compared).endswith(", not told apart.")
    standings = [cells[0].standing for _, cells in matrices(compared, {})[0].rows]
    assert standings == [Standing.TIE, Standing.TIE]


def test_those_behind_the_best_are_ranked_no_further_than_shown() -> None:
    compared = group(
        *repeats("sglang", 4000),
        *repeats("vllm", 2400, noise=0.1),
        *repeats("mlc", 2450, noise=0.1),
        *repeats("transformers", 300),
    )
    ranks = [{each.backend for each in rank} for rank in ranked(compared.cells, RATE)]
    assert ranks == [{"SGLang"}, {"vLLM", "MLC-LLM"}, {"Transformers"}]


def test_one_leader_at_several_loads_is_named_once() -> None:
    runs = [result(backend, users, n) for backend in SPEED for users in (10, 50) for n in range(3)]
    text = fastest(group(*runs))
    assert text.startswith("At 10 and 50 users SGLang: ")
    assert " at 50, " in text


def test_what_was_not_measured_is_answered_with_the_reason() -> None:
    bare = [
        each.model_copy(
            update={
                "cost": each.cost.model_copy(update={"per_million_output_tokens": None}),
                "plateau": each.plateau.model_copy(update={"goodput": None}),
            }
        )
        for each in repeats("vllm", 2400)
    ]
    *_, limits, cheapest, right = answered(group(*bare))
    assert limits.text == "Not told: the study sets no limits of what a user bears."
    assert "no price_per_hour" in cheapest.text
    assert right.text == "Not measured: the study has no tasks of quality."


def test_the_best_within_limits_and_the_cheapest_have_the_load_of_their_best() -> None:
    runs = [result(backend, users, n) for backend in SPEED for users in (10, 50) for n in range(3)]
    *_, limits, cheapest, _ = answered(group(*runs))
    assert limits.text.startswith("Within TTFT 1 s and TPOT 50 ms, SGLang: ")
    assert " at 50 users, " in cheapest.text


def test_who_fails_a_lot_is_stated_beside_the_ranks() -> None:
    (warning,) = (
        sentence
        for sentence in remarks(group(*repeats("transformers", 300), *repeats("vllm", 2400)))
        if "did not end well" in sentence
    )
    assert warning.startswith("Transformers at 50 users: 12 of ")
    assert "(9 in band error, 3 http error), and its latencies are those of the others." in warning


def test_one_repeat_alone_is_stated_as_such() -> None:
    sentences = remarks(group(*repeats("vllm", 2400, 1), *repeats("sglang", 4000, 1)))
    assert any("were measured once" in sentence for sentence in sentences)


def test_a_difference_between_some_of_those_who_share_a_place_is_not_denied() -> None:
    results = [
        each.model_copy(
            update={
                "plateau": each.plateau.model_copy(update={"tokens_per_second": rate + spread * n})
            }
        )
        for backend, rate, spread in (("sglang", 104, 0), ("vllm", 98, 5), ("mlc", 97, 0))
        for n, each in enumerate(repeats(backend, 1000))
    ]
    cells = group(*results).measured
    assert [len(rank) for rank in ranked(cells, RATE)] == [3]
    assert "told apart only in part" in fastest(group(*results))


def test_prompts_must_be_the_same_for_all_backends_but_not_for_all_repeats() -> None:
    def asked(backend: str, *hashes: str) -> list[Result]:
        return [
            each.model_copy(update={"prompts": each.prompts.model_copy(update={"hash": hash_})})
            for each, hash_ in zip(repeats(backend, 2400, len(hashes)), hashes, strict=True)
        ]

    fair = group(*asked("vllm", "one", "two"), *asked("sglang", "one", "two"))
    unfair = group(*asked("vllm", "one", "two"), *asked("sglang", "one", "three"))
    assert not any("asked the same" in sentence for sentence in remarks(fair))
    assert any("asked the same" in sentence for sentence in remarks(unfair))


def test_a_void_run_counts_for_nothing_and_is_stated_in_its_cell_too() -> None:
    slow = result("vllm", 50, 9, speed=1, void=("the client lagged",))
    alone = result("mlc", 50, 0, void=("the client lagged",))
    compared = group(*repeats("vllm", 2400), *repeats("sglang", 4000), slow, alone)
    assert any(
        each.endswith("the client was the bottleneck: MLC-LLM at 50 users and vLLM at 50 users.")
        for each in remarks(compared)
    )
    assert min(r.plateau.tokens_per_second for c in compared.cells for r in c.valid) > 100
    cells = {name: row[0] for name, row in matrices(compared, {})[0].rows}
    assert cells["vLLM"].remarks == ("3 of 4",)
    assert (cells["MLC-LLM"].figure, cells["MLC-LLM"].around) == ("void", "the client lagged")


def test_a_rate_that_falls_is_stated() -> None:
    sentences = remarks(group(*repeats("lmdeploy", 3600)))
    (fell,) = (sentence for sentence in sentences if "fell" in sentence)
    assert fell.startswith("The rate of LMDeploy fell by ")
    assert fell.endswith("in every repeat at 50 users.")
    steady = remarks(group(*repeats("vllm", 3600)))
    assert not any("fell" in sentence for sentence in steady)


def test_who_fails_most_of_the_time_is_not_ranked() -> None:
    def failing(each: Result) -> Result:
        outcomes = {Outcome.OK: 5, Outcome.HTTP_ERROR: 95}
        plateau = each.plateau.model_copy(update={"outcomes": outcomes})
        return each.model_copy(update={"plateau": plateau})

    fast = [failing(each) for each in repeats("sglang", 9000)]
    compared = group(*fast, *repeats("vllm", 2400), *repeats("mlc", 1200))
    assert [[each.backend for each in rank] for rank in ranked(compared.cells, RATE)] == [
        ["vLLM"],
        ["MLC-LLM"],
    ]
    assert any("SGLang at 50 users: 285 of 300" in each for each in remarks(compared))
    assert any(each.endswith("at 50 users it is not ranked.") for each in remarks(compared))


def test_a_control_is_told_by_its_times_and_not_ranked() -> None:
    echo = [result("echo", 50, n, speed=4000, settings=CONTROL) for n in range(3)]
    compared = group(*echo, *repeats("vllm", 2400))
    (sentence,) = control_sentences(compared)
    assert sentence.startswith("Echo is the control: it computes nothing. It was told to take ")
    assert "so 515 ms to an answer; its users saw 2.03 s at 50 users" in sentence
    assert "much. This machine or its client is slow" in sentence
    name, (cell,) = matrices(compared, {})[0].rows[-1]
    assert (name, cell.standing) == ("Echo (control)", Standing.CONTROL)


def cell_of(matrix: Matrix, backend: str) -> MatrixCell:
    (cell,) = (cells[0] for name, cells in matrix.rows if name == backend)
    return cell


def test_what_failed_has_its_reason_in_its_cell_and_counts_as_a_repeat() -> None:
    where = Path("study")
    runs = [
        Run(f"cells/{each.subject.backend}-{each.subject.repeat}", each, study=where)
        for each in (*repeats("vllm", 2400, 2), *repeats("sglang", 4000))
    ]
    measured = [ReportedCell(id=Path(run.where).name, status="ok", users=50, quantization="none",
                             backend=run.result.subject.backend) for run in runs]  # fmt: skip
    failed = [ReportedCell(id=f"{name}-9", status="failed", reason="no device", users=50,
                           quantization="none", backend=name)
              for name in ("vllm", "mlc")]  # fmt: skip
    study = Study(text="", hash="", folder=where, cells=(*measured, *failed))
    (compared,) = groups(runs, missing(runs, places(runs), [study]))
    rates, _ = matrices(compared, {})
    assert cell_of(rates, "vLLM").remarks == ("2 of 3",)
    absent = cell_of(rates, "MLC-LLM")
    assert (absent.figure, absent.around) == ("failed", "no device")


def test_a_cell_of_another_time_is_marked_wherever_it_is_ranked() -> None:
    sessions = {"vllm": "2026-11-01", "sglang": "2026-11-02", "mlc": "2026-11-01"}
    runs = [
        Run(f"{name}-{each.subject.repeat}", each, session=at)
        for name, at in sessions.items()
        for each in repeats(name, {"sglang": 4000}.get(name, 2000))
    ]
    (compared,) = groups(runs)
    assert fastest(compared).startswith("At 50 users SGLang [measured at another time]: ")
    assert cell_of(matrices(compared, {})[0], "SGLang").remarks == ("other time",)
    assert any(each.startswith("Retried or resumed") for each in remarks(compared))
