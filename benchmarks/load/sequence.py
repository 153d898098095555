"""Which prompt is next: the same for every backend, however many processes share the users."""

from benchmarks.prompts import Order, Prompt


class Sequence:
    """Of `order` every `shards`-th place, from `shard` on: one process's share."""

    def __init__(self, order: Order, shard: int = 0, shards: int = 1) -> None:
        self._order = order
        self._next = shard
        self._step = shards

    def take(self) -> tuple[int, Prompt]:
        index = self._next
        self._next += self._step
        return index, self._order[index]
