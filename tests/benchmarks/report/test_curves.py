"""Curves of backends: where their labels lie, and who is on the edge of the trade-off."""

from itertools import combinations

import pytest

from benchmarks.report.colours import marks
from benchmarks.report.curves import latency_curves
from benchmarks.report.frontier import frontier
from benchmarks.report.labels import CHARACTER, HEIGHT, Axis, offsets
from tests.benchmarks.report.synthetic import group, repeats, result


def test_labels_of_neighbours_cover_neither_each_other_nor_a_point() -> None:
    points = [(50.0, 50.0), (56.0, 52.0), (60.0, 47.0), (63.0, 55.0), (300.0, 100.0)]
    texts = ["10", "10", "100", "50", "100"]
    lines = [points[:3], points[3:]]
    middles = [
        (x + right, y + down, CHARACTER * len(text))
        for (x, y), (right, down), text in zip(
            points, offsets(points, texts, lines, 400, 240), texts, strict=True
        )
    ]
    for (x, y, wide), (other_x, other_y, other_wide) in combinations(middles, 2):
        assert abs(x - other_x) >= (wide + other_wide) / 2 or abs(y - other_y) >= HEIGHT
    assert all(
        abs(x - at) >= wide / 2 or abs(y - level) >= HEIGHT / 2
        for x, y, wide in middles
        for at, level in points
    )


def test_a_label_stays_inside_the_figure() -> None:
    ((right, down),) = offsets([(398.0, 2.0)], ["100"], [], 400, 240)
    assert right < 0
    assert 2 + down - HEIGHT / 2 >= 0


def test_an_axis_tells_where_a_value_lies() -> None:
    assert Axis(0, 100, 400).pixel(25) == 100
    assert Axis(1, 100, 400, logarithmic=True, reverse=True).pixel(10) == pytest.approx(200)


def test_the_frontier_joins_what_no_other_one_beats() -> None:
    plain = group(
        *(result("vllm", users, n) for users in (10, 50, 100) for n in range(2)),
        *(result("transformers", users, n) for users in (10, 50, 100) for n in range(2)),
        *(result("echo", 10, n, speed=9000) for n in range(2)),
    )
    fast = group(*(result("vllm", 100, n, speed=4000, quantization="fp8") for n in range(2)))
    names = ["vLLM", "vLLM, fp8", "Transformers"]
    (figure,) = frontier([plain, fast], marks(names))
    edge = {(row[0], row[1]) for row in figure.rows if row[-1] == "yes"}
    assert edge == {("vLLM", "10"), ("vLLM, fp8", "100")}
    assert {row[0] for row in figure.rows} == {*names}


def test_every_latency_has_a_curve_with_the_load_at_its_points() -> None:
    compared = group(*repeats("vllm", 2400))
    titles = [figure.title for figure in latency_curves(compared, marks(["vLLM"]))]
    assert titles == ["First token against throughput", "Whole request against throughput"]
