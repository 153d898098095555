"""One colour and one shape for each backend, the same in every figure, on light and dark paper.

The colours were searched for the greatest least distance in Oklab, as seen normally and with
protan-, deuter- and tritanopia (Machado, Oliveira and Fernandes 2009), with a contrast of 3.3 at
least to the paper. The shape distinguishes what a colour may not.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from benchmarks.report.names import titles


@dataclass(frozen=True)
class Tone:
    """A colour on light and on dark paper, as hexadecimal sRGB."""

    light: str
    dark: str


PAPER = Tone("#ffffff", "#15181c")
INK = Tone("#1c1e21", "#e7e9ec")
QUIET = Tone("#5b6067", "#a3a9b1")
GRID = Tone("#e3e5e8", "#30353c")
EDGE = Tone("#83888f", "#767d87")
PALETTE = (
    Tone("#3c8ef2", "#6d8af1"),
    Tone("#914701", "#cb5010"),
    Tone("#46836a", "#53806a"),
    Tone("#663faf", "#9f4cb0"),
    Tone("#bb8107", "#e8de46"),
    Tone("#161e86", "#a6befd"),
    Tone("#a47eae", "#c585af"),
    Tone("#4e3306", "#f4b6a1"),
    Tone("#5f024b", "#93b22d"),
    Tone("#2b5871", "#6af7f6"),
)
STAR = (
    "M0,-1.35L0.3,-0.42L1.28,-0.42L0.49,0.16L0.79,1.09L"
    "0,0.52L-0.79,1.09L-0.49,0.16L-1.28,-0.42L-0.3,-0.42Z"
)
HEXAGON = "M.87,-.5L.87,.5L0,1L-.87,.5L-.87,-.5L0,-1Z"
SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "cross"),
    *("triangle-down", "triangle-right", "triangle-left", HEXAGON, STAR),
)


@dataclass(frozen=True)
class Mark:
    """Says how a backend is drawn; `slot` is the index of its colour in the palette."""

    slot: int
    shape: str

    @property
    def tone(self) -> Tone:
        return PALETTE[self.slot]


def marks(names: Collection[str]) -> dict[str, Mark]:
    """Returns the mark of each backend.

    A backend of this repository always has the mark of its index in the alphabet of all of them.
    Others have the index that their name hashes to, or the next free one. No two have the same
    colour and shape while there are enough of both.
    """
    own = [*titles().values()]
    indexes = {name: own.index(name) for name in names if name in own}
    for name in sorted(set(names) - set(indexes)):
        index = int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(PALETTE)
        while index in indexes.values():
            index += 1
        indexes[name] = index
    return {
        name: Mark(index % len(PALETTE), SHAPES[(index + index // len(PALETTE)) % len(SHAPES)])
        for name, index in indexes.items()
    }
