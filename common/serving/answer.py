"""One answer while it is generated: engine chunks in, text out."""

from collections.abc import Sequence
from typing import NamedTuple

from common.engine import Chunk, FinishReason, TokenLogprob
from common.text.detokenizer import Detokenizer
from common.text.stop_strings import StopStrings


class Delta(NamedTuple):
    """New text of answer number `choice`; the last one of an answer has a finish reason."""

    choice: int
    text: str
    finish_reason: FinishReason | None = None
    logprobs: Sequence[TokenLogprob] | None = None


class Answer:
    """Detokenizes, hides the end token, cuts at stop strings, counts tokens."""

    __slots__ = ("_detokenizer", "_end_ids", "_stops", "finish_reason", "index", "tokens")

    def __init__(
        self,
        index: int,
        detokenizer: Detokenizer,
        end_token_ids: frozenset[int],
        stops: Sequence[str],
    ) -> None:
        self.index = index
        self.tokens = 0
        self.finish_reason: FinishReason | None = None
        self._detokenizer = detokenizer
        self._end_ids = end_token_ids
        self._stops = StopStrings(stops) if stops else None

    def feed(self, chunk: Chunk) -> Delta | None:
        """Returns what a client may see of `chunk`, None when it changes nothing visible."""
        ids, _, logprobs, finish, _, tokens = chunk
        if self._stops is None:
            if finish is None and logprobs is None and ids:
                self.tokens += len(ids)
                text = self._detokenizer.feed(ids)
                return Delta(self.index, text) if text else None
            self.tokens += len(ids) or tokens
            if finish == "stop" and ids and ids[-1] in self._end_ids:
                ids = ids[:-1]
            text = self._detokenizer.feed(ids) if ids else chunk.text or ""
            if finish is not None:
                text += self._detokenizer.finish()
            if logprobs is not None:
                logprobs = logprobs[: len(ids)]
        else:
            text, seen = self._until_stop(chunk, self._stops)
            if self._stops.stop is not None:
                finish = "stop"
            if logprobs is not None:
                logprobs = logprobs[:seen]
        self.finish_reason = finish
        if not text and finish is None and not logprobs:
            return None
        return Delta(self.index, text, finish, logprobs)

    def _until_stop(self, chunk: Chunk, stops: StopStrings) -> tuple[str, int]:
        """Returns the text up to a stop string, and how many ids it took: the same count however
        an engine groups its ids into chunks."""
        text = ""
        seen = 0
        finish = chunk.finish_reason
        if not chunk.token_ids:
            self.tokens += chunk.tokens
            text = stops.feed(chunk.text or "")
        for token_id in chunk.token_ids:
            self.tokens += 1
            if finish == "stop" and token_id in self._end_ids:
                break
            seen += 1
            text += stops.feed(self._detokenizer.feed((token_id,)))
            if stops.stop is not None:
                return text, seen
        if finish is not None:
            text += stops.feed(self._detokenizer.finish())
            if stops.stop is None:
                text += stops.finish()
        return text, seen


def by_choice(deltas: Sequence[Delta], answers: int) -> list[list[Delta]]:
    """Returns the deltas of each answer, in their order."""
    own: list[list[Delta]] = [[] for _ in range(answers)]
    for delta in deltas:
        own[delta.choice].append(delta)
    return own
