"""The order in which the cells of a study are measured."""

import random
from collections.abc import Sequence

from benchmarks.study.cell import StudyCell
from benchmarks.study.spec import StudyFile


def ordered(every: Sequence[StudyCell], study: StudyFile) -> tuple[StudyCell, ...]:
    """Returns the cells as the study orders them; all cells of one start are moved together.

    `shuffled` spreads what drifts over all; `interleaved` goes through all backends again in each
    repeat, every second time backwards; `listed` does one backend after the other.
    """
    blocks: dict[str, list[StudyCell]] = {}
    for cell in every:
        blocks.setdefault(cell.service if study.share_service else cell.id, []).append(cell)
    order = list(blocks.values())
    if study.order == "shuffled":
        random.Random(study.seed).shuffle(order)
    elif study.order == "interleaved":
        order = _interleaved(order)
    else:
        names = [target.name for target in study.backends]
        order.sort(key=lambda block: names.index(block[0].target.name))
    return tuple(cell for block in order for cell in block)


def _interleaved(blocks: Sequence[list[StudyCell]]) -> list[list[StudyCell]]:
    """Returns the blocks with the backends in turn within each repeat."""
    result: list[list[StudyCell]] = []
    for repeat in sorted({block[0].repeat for block in blocks}):
        queues: dict[str, list[list[StudyCell]]] = {}
        for block in blocks:
            if block[0].repeat == repeat:
                queues.setdefault(block[0].target.name, []).append(block)
        turns = max(map(len, queues.values()))
        round_robin = [q[turn] for turn in range(turns) for q in queues.values() if turn < len(q)]
        result += round_robin if repeat % 2 == 0 else reversed(round_robin)
    return result
