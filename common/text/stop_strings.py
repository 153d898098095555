"""Stop strings over a stream of text: recognised across pieces, never shown in part."""

from collections.abc import Sequence

from common.text.marks import NONE_HIDDEN, HiddenTokens, without_hidden

LONGEST = 1000
"""Characters of a stop string at most; the work for each piece of text grows with them."""


class StopStrings:
    """Holds back the shortest tail of the text that could still become a stop string.

    With `include` the stop string that ends the text is shown as well. `hidden` are the tokens in
    stop strings that the text lacks: where one comes, its mark has to be fed. With `keeps_marks`
    marks in the text that is shown stay there, for those who look for them.
    """

    __slots__ = ("_given", "_held", "_include", "_longest", "_shows_marks", "_stops", "stop")

    def __init__(
        self,
        stops: Sequence[str],
        *,
        include: bool = False,
        hidden: HiddenTokens = NONE_HIDDEN,
        keeps_marks: bool = False,
    ) -> None:
        self._shows_marks = keeps_marks or not hidden.marks
        self._given = {hidden.encode(stop): stop for stop in stops}
        self._stops = list(self._given)
        self._include = include
        self._longest = max(map(len, self._stops)) - 1
        self._held = ""
        self.stop: str | None = None
        """The stop string that has come, if one has."""

    def feed(self, piece: str) -> str:
        """Returns the text that is safe to show; it ends at the stop string that came."""
        text = self._held + piece
        position, stop = self._first(text)
        if stop is not None:
            self.stop = given = self._given[stop]
            self._held = ""
            return self._shown(text[:position]) + (given if self._include else "")
        keep = self._possible_start(text)
        self._held = text[len(text) - keep :] if keep else ""
        return self._shown(text[: len(text) - keep])

    def finish(self) -> str:
        """Returns the held-back tail, when the sequence ended without a stop string."""
        rest, self._held = self._held, ""
        return self._shown(rest)

    def _shown(self, text: str) -> str:
        return text if self._shows_marks else without_hidden(text)

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
