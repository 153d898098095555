"""Medians, ratios, aims and void samples."""

import pytest

from benchmarks.overhead.client import Wave
from benchmarks.overhead.measure import Load, Sample, sample
from benchmarks.overhead.report import Comparison, Spread, ratios, render, rows

LOAD = Load(streams=2, tokens=10, waves=2, rounds=3)


def _sample(target: str, number: int, rate: float, *, client_load: float = 0.3) -> Sample:
    return Sample(target, number, rate, 0.02, 0.8, client_load, 10.0, [])


def _rounds(target: str, *rates: float) -> list[Sample]:
    return [_sample(target, number, rate) for number, rate in enumerate(rates)]


def test_a_sample_adds_up_its_waves() -> None:
    waves = [Wave(1.0, 0.2, 0.9, 20, 19, []), Wave(3.0, 0.6, 2.7, 20, 19, [])]
    made = sample("ours", 1, LOAD, waves)
    assert made.tokens_per_second == pytest.approx((20 + 20 / 3) / 2)
    assert made.cpu_per_1000 == pytest.approx(1000 * 3.6 / 40)
    assert made.server_load == pytest.approx(0.9)
    assert made.client_load == pytest.approx(0.2)
    assert made.pieces_per_stream == pytest.approx(9.5)
    assert made.void is None


def test_ratios_are_taken_within_a_round() -> None:
    samples = [*_rounds("ours", 300, 600, 100), *_rounds("base", 100, 150, 50)]
    (ratio,) = ratios(samples, [Comparison("ours", "base", at_least=3)])
    assert ratio.value == Spread(3.0, 2.0, 4.0)
    assert ratio.met is True


def test_an_aim_can_be_missed_and_a_ratio_needs_none() -> None:
    samples = [*_rounds("ours", 100), *_rounds("base", 100)]
    missed, free = ratios(
        samples, [Comparison("ours", "base", at_least=2), Comparison("ours", "base")]
    )
    assert missed.met is False
    assert free.met is None
    assert free.value == Spread(1.0, 1.0, 1.0)


def test_a_busy_client_voids_a_sample_unless_the_server_was_busy_too() -> None:
    void = _sample("ours", 0, 900, client_load=0.95)
    assert void.void is not None
    assert "bottleneck" in void.void
    assert Sample("ours", 0, 900, 0.02, 0.95, 0.95, 10.0, []).void is None


def test_void_samples_count_nowhere() -> None:
    samples = [*_rounds("ours", 300, 400), *_rounds("base", 100, 100)]
    samples[0] = _sample("ours", 0, 900, client_load=0.95)
    assert [row.rounds for row in rows(samples)] == [1, 2]
    (ratio,) = ratios(samples, [Comparison("ours", "base")])
    assert ratio.value == Spread(4.0, 4.0, 4.0)


def test_without_valid_rounds_there_is_no_ratio() -> None:
    samples = _rounds("base", 100)
    samples.append(Sample("ours", 0, 5, 0.02, 0.8, 0.2, 10.0, ["cut"]))
    found = ratios(samples, [Comparison("ours", "base", at_least=1)])
    assert (found[0].value, found[0].met) == (None, None)
    assert "-" in render(rows(samples), found).splitlines()[-1]


def test_the_tables_are_aligned() -> None:
    samples = [*_rounds("ours", 30000, 40000), *_rounds("base", 100, 200)]
    text = render(rows(samples), ratios(samples, [Comparison("ours", "base", at_least=3)]))
    first, *_ = text.split("\n\n")
    assert len(set(map(len, first.splitlines()))) == 1
    assert text.splitlines()[-1].endswith("met")
