"""Padded batches of token ids, cut by length so that little of a batch is padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

IGNORED = -100

# Few distinct shapes keep the kernels that torch caches for each of them few.
_LENGTH_STEP = 8

Example = tuple[list[int], list[bool]]


@dataclass(frozen=True)
class Batch:
    """`inputs` and `targets` are int64 of shape [rows, length]; targets lie one token ahead.

    A target that is not learned is -100. `rows` says which example each row is.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    rows: list[int]


def cut_batches(examples: Sequence[Example], token_budget: int) -> Iterator[Batch]:
    """Batches of similar lengths with at most `token_budget` padded tokens (one row at least)."""
    order = sorted(range(len(examples)), key=lambda row: len(examples[row][0]))
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * len(examples[order[end]][0]) <= token_budget:
            end += 1
        yield _pad(examples, order[start:end])
        start = end


def _pad(examples: Sequence[Example], rows: list[int]) -> Batch:
    longest = max(len(examples[row][0]) for row in rows) - 1
    length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
    inputs = torch.zeros(len(rows), length, dtype=torch.int64)
    targets = torch.full((len(rows), length), IGNORED, dtype=torch.int64)
    for index, row in enumerate(rows):
        ids, learned = examples[row]
        size = len(ids) - 1
        inputs[index, :size] = torch.tensor(ids[:-1])
        answers = torch.tensor(ids[1:])
        targets[index, :size] = answers.masked_fill(~torch.tensor(learned[1:]), IGNORED)
    return Batch(inputs, targets, rows)
