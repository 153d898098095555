"""Stop strings over a stream of text: recognised across pieces, never shown in part."""

from collections.abc import Sequence


class StopStrings:
    """Holds back the shortest tail of the text that could still become a stop string."""

    __slots__ = ("_held", "_longest", "_stops", "stop")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._longest = max(map(len, stops)) - 1
        self._held = ""
        self.stop: str | None = None
        """The stop string that has come, if one has."""

    def feed(self, piece: str) -> str:
        """Returns the text that is safe to show; it ends just before the stop string that came."""
        text = self._held + piece
        position, stop = self._first(text)
        if stop is not None:
            self.stop = stop
            self._held = ""
            return text[:position]
        keep = self._possible_start(text)
        self._held = text[len(text) - keep :] if keep else ""
        return text[: len(text) - keep]

    def finish(self) -> str:
        """Returns the held-back tail, when the sequence ended without a stop string."""
        rest, self._held = self._held, ""
        return rest

    def _first(self, text: str) -> tuple[int, str | None]:
        """Returns where the stop string begins that is complete first while reading, and which it
        is; of those that are complete at once, the longest."""
        best: tuple[int, int, str] | None = None
        for stop in self._stops:
            position = text.find(stop)
            if position >= 0:
                candidate = (position + len(stop), position, stop)
                best = candidate if best is None else min(best, candidate)
        return (0, None) if best is None else (best[1], best[2])

    def _possible_start(self, text: str) -> int:
        for length in range(min(self._longest, len(text)), 0, -1):
            tail = text[len(text) - length :]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0
