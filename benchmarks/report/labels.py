"""Labels beside the points of a curve, placed so that they cover neither each other nor a point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
CHARACTER, HEIGHT, GAP = 6.2, 11.0, 9.0
"""Pixels of a label's letters, of its height, and from the middle of a point to its label."""
POINT = 9.0
COVERS_LABEL, COVERS_POINT, COVERS_LINE = 1000, 100, 10


@dataclass(frozen=True)
class Axis:
    """A range of values on `pixels`, from low to high; `reverse` counts the pixels from the top."""

    low: float
    high: float
    pixels: float
    logarithmic: bool = False
    reverse: bool = False

    def pixel(self, value: float) -> float:
        low, high = (math.log(v) if self.logarithmic else v for v in (self.low, self.high))
        at = math.log(value) if self.logarithmic else value
        share = (at - low) / (high - low) if high > low else 0.5
        return self.pixels * (1 - share if self.reverse else share)


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def offsets(points: Sequence[Point], texts: Sequence[str], lines: Sequence[Sequence[Point]],
            width: float, height: float) -> list[Point]:  # fmt: skip
    """Returns how far right and down of its point the middle of each text lies, in pixels. `lines`
    are what is drawn between points; covering one of them is better than covering a point."""
    own = [_around(x, y, POINT, POINT) for x, y in points]
    drawn = [_around(x, y, 2, 2) for line in lines for x, y in _along(line)]
    taken: list[_Box] = []
    result: list[Point] = []
    for number, ((x, y), text) in enumerate(zip(points, texts, strict=True)):
        wide = CHARACTER * len(text)
        best = (math.inf, (0.0, 0.0), own[number])
        for order, (right, down) in enumerate(_candidates(wide)):
            box = _around(x + right, y + down, wide, HEIGHT)
            outside = box.left < 0 or box.right > width or box.top < 0 or box.bottom > height
            cost = order + COVERS_LABEL * (outside + sum(map(box.meets, taken)))
            cost += COVERS_POINT * sum(map(box.meets, own))
            cost += COVERS_LINE * sum(map(box.meets, drawn))
            best = min(best, (cost, (right, down), box), key=lambda each: each[0])
        taken.append(best[2])
        result.append(best[1])
    return result


def _candidates(wide: float) -> list[Point]:
    """Returns the places around a point, the usual one first."""
    aside = wide / 2 + GAP
    near = [(0, -1), (1, 0), (-1, 0), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)]
    return [
        (right * aside * far, down * (HEIGHT / 2 + GAP) * far)
        for far in (1.0, 1.6)
        for right, down in near
    ]


def _around(x: float, y: float, wide: float, high: float) -> _Box:
    return _Box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


def _along(line: Sequence[Point], step: float = 5.0) -> list[Point]:
    """Returns points of the line, a few pixels apart."""
    points: list[Point] = []
    for (x, y), (right, down) in pairwise(line):
        count = max(1, round(math.hypot(right - x, down - y) / step))
        points += [
            (x + (right - x) * n / count, y + (down - y) * n / count) for n in range(1, count)
        ]
    return points
