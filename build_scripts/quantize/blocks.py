"""Token ids to calibrate with, in blocks of one length, and others to measure with.

All text counts, whatever the length of its samples: AutoAWQ would skip, without a word, every
one longer than the length, and llm-compressor work on one at a time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from build_scripts.builder import BuildError
from build_scripts.quantize.samples import GENERAL_TEXT, OWN_QUESTIONS, Texts

HELD_OUT_EVERY = 10
MAX_HELD_OUT = 64
"""Pieces: enough to tell a broken checkpoint, little enough for a CPU."""


@dataclass(frozen=True)
class TextOptions:
    """`samples` blocks of `length` tokens from `calibration` where the scheme is `calibrated`;
    to measure with, `held_out`, else every tenth piece of the same file."""

    calibration: Path
    held_out: Path | None
    questions: Path | None
    samples: int
    length: int
    calibrated: bool


class Piece(NamedTuple):
    """A sample, or as much of it as the length takes. What the model has to know of it starts at
    `start`: with a conversation the answer, else all but the first token."""

    ids: list[int]
    start: int


class Blocks(NamedTuple):
    calibration: list[list[int]]
    held_out: list[Piece]


def default_text(model: Path) -> Path:
    """Returns the model's own questions where it has some, else those of the demo model."""
    own = model / OWN_QUESTIONS
    return own if own.is_file() else GENERAL_TEXT


def blocks(model: Path, options: TextOptions) -> Blocks:
    """Tokenizes and cuts the texts. Raises BuildError for a file that is wrong or too short."""
    texts = Texts(model)
    pieces = _pieces(texts, options.calibration, options.length)
    held_out = pieces
    if options.calibrated:
        held_out = pieces[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY] or pieces[1:][-1:]
    if options.held_out is not None:
        held_out = _pieces(texts, options.held_out, options.length)
    elif options.calibrated:
        chosen = set(map(id, held_out))
        pieces = [piece for piece in pieces if id(piece) not in chosen]
    scored = [piece for piece in held_out if piece.start < len(piece.ids)]
    calibration = _cut(pieces, options) if options.calibrated else []
    return Blocks(calibration, scored[:MAX_HELD_OUT])


def _pieces(texts: Texts, file: Path, length: int) -> list[Piece]:
    """Cuts all samples of a file, in an order that is random and always the same."""
    samples = texts.samples(file)
    random.Random(0).shuffle(samples)
    ids = texts.ids(samples)
    starts = texts.answers_start(samples, ids)
    return [
        Piece(whole[index : index + length], max(1, start - index))
        for whole, start in zip(ids, starts, strict=True)
        for index in range(0, len(whole), length)
    ]


def _cut(pieces: Sequence[Piece], options: TextOptions) -> list[list[int]]:
    """Puts the pieces end to end and cuts them in blocks."""
    length = options.length
    ids = [token for piece in pieces for token in piece.ids]
    if len(ids) < length:
        raise BuildError(
            f"{options.calibration} has {len(ids)} tokens to calibrate with, less than one sample "
            f"of --sequence-length {length}; give more text, or a --sequence-length of at most "
            f"{len(ids)}"
        )
    starts = range(0, len(ids) - length + 1, length)
    return [ids[start : start + length] for start in starts][: options.samples]
