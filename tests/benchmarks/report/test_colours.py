"""Colours stand out from the paper, and from each other, to everyone's eyes."""

from itertools import combinations

import pytest

from benchmarks.report.colours import EDGE, INK, PALETTE, PAPER, QUIET, SHAPES, Tone, marks
from benchmarks.report.names import titles

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

# Of severity 1, from Machado, Oliveira and Fernandes 2009, on linear sRGB.
EYES: dict[str, Matrix] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
# Bjoern Ottosson's Oklab.
CONES: Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
LAB: Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def times(matrix: Matrix, vector: Triple) -> Triple:
    one, two, three = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return one, two, three


def linear(colour: str) -> Triple:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    one, two, three = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return one, two, three


def contrast(one: str, other: str) -> float:
    """WCAG 2.2."""
    of = (sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) + 0.05
          for c in (one, other))  # fmt: skip
    low, high = sorted(of)
    return high / low


def distance(one: str, other: str, eyes: str) -> float:
    """In Oklab, as these eyes see."""
    labs = []
    for colour in (one, other):
        red, green, blue = times(CONES, times(EYES[eyes], linear(colour)))
        labs.append(times(LAB, (max(red, 0) ** (1 / 3), max(green, 0) ** (1 / 3),
                                max(blue, 0) ** (1 / 3))))  # fmt: skip
    return float(sum((a - b) ** 2 for a, b in zip(*labs, strict=True)) ** 0.5)


def side(tone: Tone, theme: str) -> str:
    return tone.light if theme == "light" else tone.dark


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_graphics_have_a_contrast_of_three_and_text_of_four_and_a_half(theme: str) -> None:
    paper = side(PAPER, theme)
    assert all(contrast(side(tone, theme), paper) >= 3 for tone in (*PALETTE, EDGE))
    assert all(contrast(side(tone, theme), paper) >= 4.5 for tone in (INK, QUIET))


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_two_backends_look_alike(theme: str, eyes: str) -> None:
    colours = [side(tone, theme) for tone in PALETTE]
    nearest = min(distance(one, other, eyes) for one, other in combinations(colours, 2))
    assert nearest >= (0.065 if eyes == "tritanopia" else 0.1)


def test_each_backend_has_its_own_colour_and_its_own_shape() -> None:
    looks = marks([*titles().values()]).values()
    assert len({mark.slot for mark in looks}) == len(titles()) <= len(PALETTE)
    assert len({mark.shape for mark in looks}) == len(titles()) <= len(SHAPES)
