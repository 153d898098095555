"""Token ids in blocks of one length: all text counts, whatever the length of its samples.

AutoAWQ would skip, without a word, every sample longer than the length, and llm-compressor work
on one sample at a time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from build_scripts.builder import BuildError
from build_scripts.quantize.samples import Texts, read_samples
from common.model import DEMO_MODEL

OWN_QUESTIONS = "questions.jsonl"
"""In a model's directory: what it has to answer, as in the demo model's."""
GENERAL_TEXT = DEMO_MODEL / OWN_QUESTIONS
"""Short questions and answers of many kinds, in the model's own chat template: enough for scales,
and no match for text like that which the model will meet."""
HELD_OUT_EVERY = 10
MAX_HELD_OUT = 64
"""Blocks: enough to tell a broken checkpoint, little enough for a CPU."""


@dataclass(frozen=True)
class Wanted:
    """`samples` blocks of `length` tokens from `calibration` where the scheme is `calibrated`;
    to measure with, `held_out`, else every tenth block of the same file."""

    calibration: Path
    held_out: Path | None
    questions: Path | None
    samples: int
    length: int
    calibrated: bool


class Blocks(NamedTuple):
    calibration: list[list[int]]
    held_out: list[list[int]]


def default_text(model: Path) -> Path:
    """The model's own questions where it has some, else those of the demo model."""
    own = model / OWN_QUESTIONS
    return own if own.is_file() else GENERAL_TEXT


def blocks(model: Path, wanted: Wanted) -> Blocks:
    """Raises BuildError for a file that is wrong or too short."""
    texts = Texts(model)
    found = _cut(texts, wanted.calibration, wanted.length)
    if wanted.held_out is not None:
        held_out = _cut(texts, wanted.held_out, wanted.length)
    elif wanted.calibrated:
        held_out = found[::HELD_OUT_EVERY] if len(found) > 1 else []
        found = [block for number, block in enumerate(found) if number % HELD_OUT_EVERY] or found
    else:
        held_out = found
    calibration = found[: wanted.samples] if wanted.calibrated else []
    return Blocks(calibration, held_out[:MAX_HELD_OUT])


def _cut(texts: Texts, file: Path, length: int) -> list[list[int]]:
    """All samples of a file, in an order that is random and always the same, end to end."""
    sequences: Sequence[list[int]] = texts.ids(read_samples(file))
    order = random.Random(0).sample(range(len(sequences)), len(sequences))
    ids = [token for index in order for token in sequences[index]]
    if len(ids) < length:
        raise BuildError(
            f"{file} has {len(ids)} tokens in all, less than one sample of --sequence-length "
            f"{length}; give more text, or a --sequence-length of at most {len(ids)}"
        )
    return [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]
