"""The chunks of an answer, joined so that each piece of a stream has some tokens."""

from common.engine import Chunk


class Pieces:
    """Keeps chunks until they have `size` tokens together, or until the answer ends."""

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: Chunk | None = None

    def add(self, chunk: Chunk) -> Chunk | None:
        """Returns what was kept with the chunk behind it, None while that is too little."""
        if self._kept is not None:
            chunk = joined(self._kept, chunk)
        tokens = len(chunk.token_ids) or chunk.tokens
        if tokens < self._size and chunk.finish_reason is None:
            self._kept = chunk
            return None
        self._kept = None
        return chunk


def joined(first: Chunk, second: Chunk) -> Chunk:
    """Returns one chunk of two that follow each other."""
    texts, logprobs = [first.text, second.text], [first.logprobs, second.logprobs]
    cached = first.cached_tokens if second.cached_tokens is None else second.cached_tokens
    return Chunk(
        [*first.token_ids, *second.token_ids],
        None if texts == [None, None] else "".join(text or "" for text in texts),
        None if logprobs == [None, None] else [each for some in logprobs for each in some or ()],
        second.finish_reason,
        cached,
        first.tokens + second.tokens,
        first.prompt_logprobs,
    )
