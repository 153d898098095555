"""Finds out that an engine hangs: sequences run, and no token of any of them comes."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from common.engine import Chunk

READING_RATE = 100
"""Prompt tokens for each of which a hundredth of a second more is granted: slower than an engine on
a CPU reads them."""
LONGEST_LOOK = 2.0
"""Seconds at most that count between two looks: this process may have been stopped meanwhile."""


class RunningSequence:
    """A sequence in the engine, or a text that gets its vector where there are no `chunks`;
    `unread_tokens` are those of its prompt until a token has come."""

    __slots__ = ("chunks", "unread_tokens")

    def __init__(self, chunks: AsyncGenerator[Chunk, None] | None, prompt_tokens: int) -> None:
        self.chunks = chunks
        self.unread_tokens = prompt_tokens

    @property
    def awaited(self) -> bool:
        """Returns whether a chunk is asked for now. It is not while a client reads slowly."""
        return bool(getattr(self.chunks, "ag_running", True))


class Watchdog:
    """Looks at `last_token` again and again, so that a token costs no more than setting it.

    The engine has stalled when sequences have waited for `stall_timeout` seconds, and for a second
    more per READING_RATE tokens of prompts that came since the last token. Times are in seconds, by
    time.perf_counter.
    """

    def __init__(self, stall_timeout: float, stall_grace: float) -> None:
        self._timeout = stall_timeout
        self._grace = stall_grace
        self._sequences: set[RunningSequence] = set()
        self._looked = self._token_seen = self.last_token = 0.0
        self._silence = self._stalled_for = 0.0
        self._unread_tokens = 0
        self.stalled = False

    @contextmanager
    def running(
        self, chunks: AsyncGenerator[Chunk, None] | None, prompt_tokens: int
    ) -> Iterator[RunningSequence]:
        """Watch a sequence, which runs in the engine during the block."""
        sequence = RunningSequence(chunks, prompt_tokens)
        self._sequences.add(sequence)
        self._unread_tokens += prompt_tokens
        try:
            yield sequence
        finally:
            self._sequences.discard(sequence)

    @property
    def hopeless(self) -> bool:
        """Returns whether the engine has stalled for longer than `stall_grace` seconds."""
        return self.stalled and self._stalled_for > self._grace

    @property
    def patience(self) -> float:
        """Returns the seconds of silence that are allowed now."""
        return self._timeout + self._unread_tokens / READING_RATE

    def look(self, now: float) -> None:
        """Update `stalled`; called at least every LONGEST_LOOK seconds."""
        elapsed = min(now - self._looked, LONGEST_LOOK)
        self._looked = now
        if self.last_token != self._token_seen:
            self._token_seen = self.last_token
            self._unread_tokens = sum(each.unread_tokens for each in self._sequences)
            self._silence = self._stalled_for = 0.0
            self.stalled = False
            return
        if any(sequence.awaited for sequence in self._sequences):
            self._silence += elapsed
        elif not self.stalled:
            # Clients that give up and ask again do not hide a silence; a long pause ends it.
            self._silence = max(0.0, self._silence - elapsed)
        if self.stalled:
            self._stalled_for += elapsed
        self.stalled = self.stalled or self._silence > self.patience
