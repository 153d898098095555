"""What is ranked and stated of a group follows from its numbers, and nothing more."""

from benchmarks.report.conclusion import conclusion, ranked
from benchmarks.report.metrics import RATE
from benchmarks.results.schema import Outcome, Result
from tests.benchmarks.report.synthetic import SPEED, group, repeats, result


def test_a_clear_difference_is_ranked() -> None:
    sentences = conclusion(group(*repeats("vllm", 2400), *repeats("echo", 4000)))
    assert sentences[0].startswith("At 50 users echo (")
    assert "has the highest token rate, then vllm (" in sentences[0]


def test_a_difference_within_the_spread_is_not_ranked() -> None:
    sentences = conclusion(
        group(*repeats("vllm", 2400, noise=0.1), *repeats("echo", 2450, noise=0.1))
    )
    assert "no difference in highest token rate is shown between" in sentences[0]


def test_those_behind_the_best_are_ranked_no_further_than_shown() -> None:
    compared = group(
        *repeats("echo", 4000),
        *repeats("vllm", 2400, noise=0.1),
        *repeats("mlc", 2450, noise=0.1),
        *repeats("transformers", 300),
    )
    ranks = [{each.backend for each in rank} for rank in ranked(compared.cells, RATE)]
    assert ranks == [{"echo"}, {"vllm", "mlc"}, {"transformers"}]
    assert "between whom no difference is shown, then transformers" in conclusion(compared)[0]


def test_one_order_at_several_loads_is_stated_once() -> None:
    runs = [result(backend, users, n) for backend in SPEED for users in (10, 50) for n in range(3)]
    rates = [each for each in conclusion(group(*runs)) if "token rate" in each]
    assert len(rates) == 1
    assert rates[0].startswith("At 10 and 50 users echo (")
    assert rates[0].endswith("(numbers at 50).")


def test_who_fails_a_lot_is_stated_beside_the_ranks() -> None:
    (warning,) = (
        sentence
        for sentence in conclusion(group(*repeats("transformers", 300), *repeats("vllm", 2400)))
        if "did not end well" in sentence
    )
    assert warning.startswith("transformers at 50 users: 12 of ")
    assert "(9 in band error, 3 http error), and its latencies are those of the others." in warning


def test_one_repeat_alone_is_stated_as_such() -> None:
    sentences = conclusion(group(*repeats("vllm", 2400, 1), *repeats("echo", 4000, 1)))
    assert any("were measured once" in sentence for sentence in sentences)


def test_a_difference_between_some_of_those_who_share_a_place_is_not_denied() -> None:
    results = [
        each.model_copy(
            update={
                "plateau": each.plateau.model_copy(update={"tokens_per_second": rate + spread * n})
            }
        )
        for backend, rate, spread in (("echo", 104, 0), ("vllm", 98, 5), ("mlc", 97, 0))
        for n, each in enumerate(repeats(backend, 1000))
    ]
    cells = group(*results).measured
    assert [len(rank) for rank in ranked(cells, RATE)] == [3]
    assert "told apart only in part" in conclusion(group(*results))[0]


def test_prompts_must_be_the_same_for_all_backends_but_not_for_all_repeats() -> None:
    def asked(backend: str, *hashes: str) -> list[Result]:
        return [
            each.model_copy(update={"prompts": each.prompts.model_copy(update={"hash": hash_})})
            for each, hash_ in zip(repeats(backend, 2400, len(hashes)), hashes, strict=True)
        ]

    fair = group(*asked("vllm", "one", "two"), *asked("echo", "one", "two"))
    unfair = group(*asked("vllm", "one", "two"), *asked("echo", "one", "three"))
    assert not any("asked the same" in sentence for sentence in conclusion(fair))
    assert any("asked the same" in sentence for sentence in conclusion(unfair))


def test_a_void_run_counts_for_nothing_and_is_stated() -> None:
    slow = result("vllm", 50, 9, speed=1, void=("the client lagged",))
    compared = group(*repeats("vllm", 2400), *repeats("echo", 4000), slow)
    assert "1 run is void and counts for nothing: vllm at 50 users, the client lagged." in (
        conclusion(compared)
    )
    assert min(r.plateau.tokens_per_second for c in compared.cells for r in c.valid) > 100


def test_a_rate_that_falls_is_stated() -> None:
    sentences = conclusion(group(*repeats("lmdeploy", 3600)))
    (fell,) = (sentence for sentence in sentences if "fell" in sentence)
    assert fell.startswith("The rate of lmdeploy fell by ")
    assert fell.endswith("in every repeat at 50 users.")
    steady = conclusion(group(*repeats("vllm", 3600)))
    assert not any("fell" in sentence for sentence in steady)


def test_who_fails_most_of_the_time_is_not_ranked() -> None:
    def failing(each: Result) -> Result:
        outcomes = {Outcome.OK: 5, Outcome.HTTP_ERROR: 95}
        plateau = each.plateau.model_copy(update={"outcomes": outcomes})
        return each.model_copy(update={"plateau": plateau})

    fast = [failing(each) for each in repeats("echo", 9000)]
    compared = group(*fast, *repeats("vllm", 2400), *repeats("mlc", 1200))
    assert [[each.backend for each in rank] for rank in ranked(compared.cells, RATE)] == [
        ["vllm"],
        ["mlc"],
    ]
    assert any("echo at 50 users: 285 of 300" in each for each in conclusion(compared))
    assert any(each.endswith("so it is not ranked.") for each in conclusion(compared))
