"""The text of an answer token by token: its reasoning and, up to a stop string, what follows."""

from collections.abc import Mapping

from common.text.detokenizer import Detokenizer
from common.text.marks import HiddenTokens
from common.text.reasoning import ReasoningParser, Split
from common.text.stop_strings import StopStrings


class AnswerText:
    """A stop string acts behind the reasoning.

    `special` has the texts of the reasoning's marks that the detokenizer leaves out, by token id.
    `hidden` are the tokens that it leaves out and that stop strings or, with `has_calls`, marks of
    tool calls have.
    """

    __slots__ = ("_detokenizer", "_has_calls", "_marks", "_reasoning", "_special", "_stops")

    def __init__(
        self,
        detokenizer: Detokenizer,
        stops: StopStrings | None,
        reasoning: ReasoningParser | None,
        special: Mapping[int, str],
        hidden: HiddenTokens,
        *,
        has_calls: bool,
    ) -> None:
        self._detokenizer = detokenizer
        self._stops = stops
        self._reasoning = reasoning
        self._special = special
        self._marks = hidden.marks
        self._has_calls = has_calls and bool(hidden.marks)

    @property
    def plain(self) -> bool:
        """Whether all that comes is shown as the detokenizer gives it."""
        return self._reasoning is None and self._stops is None and not self._has_calls

    @property
    def stop(self) -> str | None:
        """The stop string that has come, if one has."""
        return None if self._stops is None else self._stops.stop

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._stops is not None and self._stops.stop is not None

    def token(self, token_id: int, *, shown: bool = True) -> Split:
        """Returns what is new with a token; an end token that is hidden is not `shown`."""
        text = self._detokenizer.feed((token_id,)) if shown else ""
        return self.piece(text or self._mark(token_id))

    def piece(self, text: str, tokens: int = 1) -> Split:
        """Returns what is new with the text of so many tokens."""
        split = Split(text=text)
        if self._reasoning is not None:
            split = self._reasoning.feed(text, tokens)
            if self._reasoning.ended:
                self._reasoning = None
        if self._stops is None or not split.text:
            return split
        return Split(split.reasoning, self._stops.feed(split.text))

    def finish(self) -> Split:
        """Returns the rest, when the answer has ended without a stop string."""
        reasoning, text = self.piece(self._detokenizer.finish(), 0)
        if self._reasoning is not None:
            last = self._reasoning.finish()
            reasoning += last.reasoning
            text += last.text if self._stops is None else self._stops.feed(last.text)
        if self._stops is not None and self._stops.stop is None:
            text += self._stops.finish()
        return Split(reasoning, text)

    def _mark(self, token_id: int) -> str:
        """Returns what stands for a token without text, where somebody looks for it."""
        if self._reasoning is not None:
            if token_id in self._special:
                return self._special[token_id]
            thinking = self._reasoning.thinking
            if thinking or (thinking is None and not self._has_calls):
                return ""
        return self._marks.get(token_id, "")
