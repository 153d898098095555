"""One answer while it is generated: engine chunks in, text out."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from common.engine import Chunk, FinishReason, TokenLogprob
from common.serving.answer_text import AnswerText
from common.text.detokenizer import Detokenizer
from common.text.marks import NONE_HIDDEN, HiddenTokens
from common.text.reasoning import ReasoningParser, Split
from common.text.stop_strings import StopStrings


class Delta(NamedTuple):
    """What is new in answer number `choice`: its `reasoning`, and the `text` that follows it.

    The last one of an answer has a finish reason. Log-probabilities and ids are those of all
    tokens, of the reasoning as well.
    """

    choice: int
    text: str
    finish_reason: FinishReason | None = None
    logprobs: Sequence[TokenLogprob] | None = None
    token_ids: Sequence[int] | None = None
    reasoning: str = ""


class Shown(NamedTuple):
    """What clients get to see of the tokens, beside their plain text.

    With `json_value` the text is a JSON object, of which they get the only value.
    """

    special_tokens: bool = False
    stops: bool = False
    token_ids: bool = False
    json_value: bool = False
    reasoning: bool = True


PLAIN = Shown()


class Answer:
    """Detokenizes, hides the end token, finds the reasoning, cuts at stop strings, counts tokens.

    `hidden` are the tokens in stop strings, and with `has_calls` in marks of tool calls, that the
    detokenizer leaves out: the text has marks for these. `special` has the texts of the tokens that
    mark reasoning.
    """

    __slots__ = (
        "_by_token", "_detokenizer", "_document", "_hidden_ends", "_plain", "_reasoning",
        "_shows_ids", "_shows_reasoning", "finish_reason", "index", "prompt_logprobs", "tokens",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        detokenizer: Detokenizer,
        end_token_ids: frozenset[int],
        stops: Sequence[str],
        shown: Shown = PLAIN,
        hidden: HiddenTokens = NONE_HIDDEN,
        reasoning: ReasoningParser | None = None,
        special: Mapping[int, str] | None = None,
        *,
        has_calls: bool = False,
    ) -> None:
        self.index = index
        self.tokens = 0
        self.finish_reason: FinishReason | None = None
        self.prompt_logprobs: Sequence[TokenLogprob | None] | None = None
        self._detokenizer = detokenizer
        self._hidden_ends = frozenset() if shown.stops else end_token_ids
        self._reasoning = reasoning
        self._by_token: AnswerText | None = None
        if stops or reasoning is not None or hidden.marks:
            looked_for = None
            if stops:
                looked_for = StopStrings(
                    stops, include=shown.stops, hidden=hidden, keeps_marks=has_calls
                )
            self._by_token = AnswerText(
                detokenizer, looked_for, reasoning, special or {}, hidden, has_calls=has_calls
            )
        self._shows_ids = shown.token_ids
        self._shows_reasoning = shown.reasoning
        self._document: str | None = "" if shown.json_value else None
        self._plain = not shown.token_ids and not shown.json_value

    @property
    def reasoning_tokens(self) -> int:
        """How many tokens there are up to the end of the reasoning."""
        return 0 if self._reasoning is None else self._reasoning.tokens

    @property
    def stop(self) -> str | None:
        """The stop string that has ended the answer, if one has."""
        return None if self._by_token is None else self._by_token.stop

    def feed(self, chunk: Chunk) -> Delta | None:
        """Returns what a client may see of `chunk`, None when it changes nothing visible."""
        ids, _, logprobs, finish, _, tokens, _ = chunk
        before = self.tokens
        reasoning = ""
        if self._by_token is None:
            if self._plain and finish is None and logprobs is None and ids:
                self.tokens += len(ids)
                text = self._detokenizer.feed(ids)
                return Delta(self.index, text) if text else None
            self.tokens += len(ids) or tokens
            ids = self._without_end(chunk)
            text = self._detokenizer.feed(ids) if ids else chunk.text or ""
            if finish is not None:
                text += self._detokenizer.finish()
            if logprobs is not None:
                logprobs = logprobs[: len(ids)]
        else:
            reasoning, text, seen = self._read(chunk, self._by_token)
            if self._by_token.stopped:
                finish = "stop"
            elif self._by_token.plain:
                self._by_token = None
            if logprobs is not None:
                logprobs = logprobs[:seen]
        self.finish_reason = finish
        if self._document is not None:
            text = self._only_value(text, last=finish is not None)
        if not self._shows_reasoning:
            reasoning = ""
        if self._shows_ids:
            shown = chunk.token_ids[: self.tokens - before]
            return Delta(self.index, text, finish, logprobs, shown, reasoning)
        if not text and not reasoning and finish is None and not logprobs:
            return None
        return Delta(self.index, text, finish, logprobs, None, reasoning)

    def _without_end(self, chunk: Chunk) -> Sequence[int]:
        """Returns the ids of a chunk but for an end token that is hidden."""
        ids = chunk.token_ids
        ended = chunk.finish_reason == "stop" and ids and ids[-1] in self._hidden_ends
        return ids[:-1] if ended else ids

    def _only_value(self, text: str, *, last: bool) -> str:
        """Returns the value with the last piece; a document that was cut, as it came."""
        self._document = (self._document or "") + text
        if not last:
            return ""
        try:
            (value,) = json.loads(self._document).values()
        except (ValueError, AttributeError):
            return self._document
        return str(value)

    def _read(self, chunk: Chunk, by_token: AnswerText) -> tuple[str, str, int]:
        """Returns reasoning and text up to a stop string, and how many ids they took: the same
        count however an engine groups its ids into chunks."""
        ids = self._without_end(chunk)
        splits = [] if chunk.token_ids else [by_token.piece(chunk.text or "", chunk.tokens)]
        for seen, token_id in enumerate(ids, 1):
            splits.append(by_token.token(token_id))
            if by_token.stopped:
                self.tokens += seen
                return *joined(splits), seen
        self.tokens += len(chunk.token_ids) or chunk.tokens
        if len(ids) < len(chunk.token_ids):
            splits.append(by_token.token(chunk.token_ids[-1], shown=False))
        if chunk.finish_reason is not None and not by_token.stopped:
            splits.append(by_token.finish())
        return *joined(splits), len(ids)


def by_choice(deltas: Sequence[Delta], answers: int) -> list[list[Delta]]:
    """Returns the deltas of each answer, in their order."""
    own: list[list[Delta]] = [[] for _ in range(answers)]
    for delta in deltas:
        own[delta.choice].append(delta)
    return own


def joined(splits: Sequence[Split]) -> Split:
    """Returns the reasoning and the text of pieces that follow each other."""
    if len(splits) == 1:
        return splits[0]
    return Split("".join(each.reasoning for each in splits), "".join(each.text for each in splits))
