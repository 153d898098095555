"""A text completion as OpenAI's chunks or as one object."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from common.http.events import TextEvents, event, usage
from common.http.logprobs import TextOffsets, completion_logprobs
from common.serving.answer import Delta, by_choice
from common.serving.job import Job
from common.text.tokenizer import Tokenizer


class CompletionFrames:
    """`echoes` is the text of each prompt where the client wants it before the answer."""

    def __init__(
        self, model: str, job: Job, tokenizer: Tokenizer, echoes: Sequence[str] | None
    ) -> None:
        self._job = job
        self._tokenizer = tokenizer
        self._echoes = echoes
        self._answers = range(len(job.prompts) * job.n)
        self._offsets: dict[int, TextOffsets] = {}
        self._frame = {
            "object": "text_completion",
            "id": f"cmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._text = TextEvents(
            self._frame,
            {"text": "@", "logprobs": None, "finish_reason": None},
            len(self._answers),
        )

    def first(self) -> bytes:
        """The echoed prompts."""
        if self._echoes is None:
            return b""
        return b"".join(self._text(index, self._echo(index)) for index in self._answers)

    def delta(self, delta: Delta) -> bytes:
        if delta.finish_reason is None and delta.logprobs is None:
            return self._text(delta.choice, delta.text)
        choice = self._choice(delta.choice, delta.text, delta.logprobs, delta.finish_reason)
        return event({**self._frame, "choices": [choice]})

    def last(self) -> bytes:
        """The usage chunk."""
        return event({**self._frame, "choices": [], "usage": usage(self._job)})

    def whole(self, deltas: list[Delta]) -> dict[str, Any]:
        """The one object of a request that does not stream."""
        choices = []
        for index, own in enumerate(by_choice(deltas, len(self._answers))):
            wanted = any(delta.logprobs is not None for delta in own)
            logprobs = [entry for delta in own for entry in delta.logprobs or ()]
            text = self._echo(index) + "".join(delta.text for delta in own)
            choices.append(
                self._choice(index, text, logprobs if wanted else None, own[-1].finish_reason)
            )
        return {**self._frame, "choices": choices, "usage": usage(self._job)}

    def _echo(self, index: int) -> str:
        return "" if self._echoes is None else self._echoes[index // self._job.n]

    def _choice(
        self, index: int, text: str, logprobs: Any, finish_reason: str | None
    ) -> dict[str, Any]:
        if logprobs is not None:
            if index not in self._offsets:
                self._offsets[index] = TextOffsets(self._tokenizer, len(self._echo(index)))
            logprobs = completion_logprobs(self._tokenizer, logprobs, self._offsets[index])
        return {
            "index": index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
