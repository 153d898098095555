"""Bodies of /v1/completions: events of a stream, or one object."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from common.http.events import Events, usage_of
from common.http.frames import joined_logprobs, prompt_logprobs, token_ids
from common.http.logprobs import Logprobs, TextOffsets
from common.http.schemas import CompletionBody
from common.serving.answer import Delta, by_choice
from common.serving.job import Job
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer


class CompletionFrames:
    """Turns deltas into completion chunks. `echoes` has the text of each prompt to send first.

    With log-probabilities the echo of a prompt waits for the first delta of its answer, by when
    those of the prompt are known.
    """

    def __init__(
        self,
        model: str,
        job: Job,
        tokenizer: Tokenizer,
        echoes: Sequence[str] | None,
        body: CompletionBody,
    ) -> None:
        self._job = job
        self._tokenizer = tokenizer
        self._logprobs = Logprobs(tokenizer, by_id=body.return_tokens_as_token_ids)
        self._echoes = echoes
        self._answers = range(len(job.prompts) * job.n)
        self._offsets: dict[int, TextOffsets] = {}
        self._shows_prompt_logprobs = body.prompt_logprobs is not None
        scored = echoes is not None and body.logprobs is not None
        self._scored = frozenset(self._answers) if scored else frozenset()
        self._waiting = set(self._scored)
        self._frame = {
            "object": "text_completion",
            "id": f"cmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._events = Events(self._frame, job, body.stream_options)
        self._text = self._events.texts({"text": "@", "logprobs": None, "finish_reason": None})

    def first(self) -> bytes:
        """Returns one chunk per answer with the echoed prompt, or with its ids."""
        if self._waiting or (self._echoes is None and not self._job.shown.token_ids):
            return b""
        return b"".join(map(self._opening, self._answers))

    def _opening(self, index: int) -> bytes:
        """Returns the chunk of an answer that stands before all of its own text."""
        opening = Delta(index, self._echo(index))
        choice = self._choice([opening], opening.text, **self._prompt_ids(index))
        if index in self._scored:
            choice["logprobs"] = self._echo_logprobs(index)
        return self._events.choice(choice)

    def delta(self, delta: Delta) -> bytes:
        """Returns the chunk of a delta."""
        choice, text, finish, logprobs, ids, _ = delta
        if finish is None and logprobs is None and ids is None:
            return self._text(choice, text)
        opening = b""
        if choice in self._waiting:
            self._waiting.remove(choice)
            opening = self._opening(choice)
        return opening + self._events.choice(self._choice([delta], text))

    def last(self) -> bytes:
        """Returns the end of the stream."""
        return self._events.last()

    def response(self, deltas: list[Delta]) -> dict[str, Any]:
        """Returns the one object of a request that does not stream."""
        choices = [
            self._whole_choice(index, own)
            for index, own in enumerate(by_choice(deltas, len(self._answers)))
        ]
        return {**self._frame, "choices": choices, "usage": usage_of(self._job)}

    def _whole_choice(self, index: int, deltas: Sequence[Delta]) -> dict[str, Any]:
        echo = self._echo_logprobs(index) if index in self._scored else None
        text = self._echo(index) + "".join(delta.text for delta in deltas)
        choice = self._choice(deltas, text, **self._prompt_ids(index))
        if echo is not None:
            own = choice["logprobs"]
            choice["logprobs"] = {name: [*echo[name], *own[name]] for name in own}
        if self._shows_prompt_logprobs:
            entries = prompt_logprobs(self._job, index)
            choice["prompt_logprobs"] = self._logprobs.of_prompt(entries)
        return choice

    def _echo_logprobs(self, index: int) -> dict[str, Any]:
        """Returns the log-probabilities of an echo, at whose end those of its answer begin."""
        job = self._job
        detokenizer = Detokenizer(self._tokenizer, skip_special_tokens=not job.shown.special_tokens)
        offsets = self._offsets[index] = TextOffsets(detokenizer, 0)
        prompt = job.prompts[index // job.n]
        return self._logprobs.of_echo(prompt, prompt_logprobs(job, index), offsets)

    def _echo(self, index: int) -> str:
        return "" if self._echoes is None else self._echoes[index // self._job.n]

    def _text_offsets(self, index: int) -> TextOffsets:
        job = self._job
        detokenizer = Detokenizer(
            self._tokenizer,
            job.prompts[index // job.n],
            skip_special_tokens=not job.shown.special_tokens,
        )
        return TextOffsets(detokenizer, len(self._echo(index)))

    def _prompt_ids(self, index: int) -> dict[str, Any]:
        """Returns the ids of an answer's prompt as a part of its choice, on demand."""
        if not self._job.shown.token_ids:
            return {}
        return {"prompt_token_ids": list(self._job.prompts[index // self._job.n])}

    def _choice(self, deltas: Sequence[Delta], text: str, **more: Any) -> dict[str, Any]:
        """Returns the choice of deltas that follow each other in one answer."""
        index = deltas[0].choice
        entries = None
        logprobs = joined_logprobs(deltas)
        if logprobs is not None:
            if index not in self._offsets:
                self._offsets[index] = self._text_offsets(index)
            entries = self._logprobs.of_completion(logprobs, self._offsets[index])
        return {
            "index": index,
            "text": text,
            "logprobs": entries,
            "finish_reason": deltas[-1].finish_reason,
            **token_ids(self._job, deltas),
            **more,
        }
