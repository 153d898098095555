"""The engine of a double: one thread that steps all running sequences together."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from tests.doubles.generation.blas import use_one_thread
from tests.doubles.generation.json_instance import json_text, tag_text
from tests.doubles.generation.model import PREFILL_CHUNK, DemoModel
from tests.doubles.generation.options import Options, Token
from tests.doubles.generation.sampler import Floats, Sampler

Deliver = Callable[[Token | Exception], None]
logger = logging.getLogger(__name__)


class GeneratorDied(Exception):
    """The generator generates no more, for good."""


class Handle:
    """A submitted sequence."""

    __slots__ = ("_abort",)

    def __init__(self, abort: Callable[[], None]) -> None:
        self._abort = abort

    def abort(self) -> None:
        """Stop the sequence; nothing if it has ended. A token on its way may still arrive."""
        self._abort()


class _Running:
    """A sequence's state. `pending` is what the model has not seen yet."""

    def __init__(
        self,
        model: DemoModel,
        prompt_ids: Sequence[int],
        options: Options,
        forced: list[int] | None,
        deliver: Deliver,
    ) -> None:
        self.deliver = deliver
        self.pending = list(prompt_ids)
        self.left = min(options.max_tokens, model.context - len(prompt_ids))
        self.cache = model.cache(len(prompt_ids) + self.left)
        self._options = options
        self._sampler = Sampler(options, prompt_ids, model.vocab_size)
        self._forced = forced
        self._made = 0

    def next_token(self, logits: Floats, logprobs: Floats) -> Token:
        chosen = self._sampler.choose(logits) if self._forced is None else self._forced[self._made]
        self._sampler.add(chosen)
        self._made += 1
        self.left -= 1
        self.pending = [chosen]
        top: list[tuple[int, float]] = []
        if self._options.top_logprobs:
            order = np.argsort(-logprobs, kind="stable")[: self._options.top_logprobs]
            top = [(int(token), float(logprobs[token])) for token in order]
        return Token(chosen, float(logprobs[chosen]), top, self._finish(chosen))

    def _finish(self, chosen: int) -> Literal["stop", "length"] | None:
        if chosen in self._options.end_ids:
            return "stop"
        if self._forced is not None and self._made == len(self._forced):
            return "stop"
        return None if self.left else "length"


class DemoGenerator:
    """Runs a demo model, with an adapter where one is given.

    A step of all sequences takes at least `step_seconds`.

    An answer ends with "length" also where the model's context is full.
    """

    def __init__(
        self, model_directory: Path, step_seconds: float = 0.002, adapter: Path | None = None
    ) -> None:
        use_one_thread()
        self._model = DemoModel(model_directory, adapter)
        self._tokenizer = Tokenizer.from_file(str(model_directory / "tokenizer.json"))
        self._tokenizer.encode_special_tokens = True
        self._step_seconds = step_seconds
        self._active: dict[_Running, None] = {}
        self._dead: str | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="demo-generator", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Sequences that were submitted and have not ended."""
        return len(self._active)

    @property
    def vocab_size(self) -> int:
        return self._model.vocab_size

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._model.context

    def submit(self, prompt_ids: Sequence[int], options: Options, deliver: Deliver) -> Handle:
        """Begin a sequence; `deliver` is called in the generator's thread with each token.

        Raises ValueError for a prompt, option or schema that cannot be, GeneratorDied after `die`.
        """
        self._check(prompt_ids, options)
        running = _Running(self._model, prompt_ids, options, self._forced(options), deliver)
        with self._changed:
            if self._dead is not None:
                raise GeneratorDied(self._dead)
            self._active[running] = None
            self._changed.notify()
        return Handle(lambda: self._remove(running))

    def die(self, reason: str = "the generator died") -> None:
        """Every running sequence is delivered a GeneratorDied; later ones are refused with it."""
        with self._changed:
            self._dead = reason if self._dead is None else self._dead
            self._changed.notify()

    def close(self) -> None:
        """End the thread, and with it what runs."""
        self.die("the generator was closed")
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _check(self, prompt_ids: Sequence[int], options: Options) -> None:
        if not 0 < len(prompt_ids) < self.context:
            raise ValueError(
                f"a prompt has {len(prompt_ids)} tokens; allowed are 1 to {self.context - 1}"
            )
        ids = [*prompt_ids, *options.logit_bias, *options.end_ids]
        if min(ids) < 0 or max(ids) >= self.vocab_size:
            raise ValueError(f"a token id is unknown; allowed are 0 to {self.vocab_size - 1}")
        for name, least in (("max_tokens", 1), ("temperature", 0), ("repetition_penalty", 1e-9)):
            if not getattr(options, name) >= least:
                raise ValueError(f"{name} is {getattr(options, name)}; allowed is {least} or more")

    def _forced(self, options: Options) -> list[int] | None:
        """The answer's tokens when a grammar decides them; blanks fill it up to `min_tokens`."""
        text = None
        if options.json_schema is not None:
            text = json_text(options.json_schema)
        elif options.structural_tag is not None:
            text = tag_text(options.structural_tag)
        if text is None:
            return None
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        (blank,) = self._tokenizer.encode("\n", add_special_tokens=False).ids
        ids = ids + [blank] * (options.min_tokens - len(ids))
        return ids + sorted(options.end_ids)[:1]

    def _remove(self, running: _Running) -> None:
        with self._changed:
            self._active.pop(running, None)

    def _run(self) -> None:
        while batch := self._next_batch():
            begun = time.monotonic()
            try:
                self._step(batch)
            except Exception as error:
                logger.exception("a step failed")
                self.die(f"a step failed: {error!r}")
            time.sleep(max(0, begun + self._step_seconds - time.monotonic()))
        with self._changed:
            left, self._active = list(self._active), {}
        for running in left:
            self._deliver(running, GeneratorDied(self._dead or ""))

    def _next_batch(self) -> list[_Running]:
        """Waits for work; empty when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._active) or self._dead is not None)
            return list(self._active) if self._dead is None else []

    def _step(self, batch: Sequence[_Running]) -> None:
        raw = self._model.forward([(r.cache, r.pending[:PREFILL_CHUNK]) for r in batch])
        logits = raw.astype(np.float64)
        shifted = logits - logits.max(axis=1, keepdims=True)
        logprobs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        for running, own_logits, own_logprobs in zip(batch, logits, logprobs, strict=True):
            running.pending = running.pending[PREFILL_CHUNK:]
            if running.pending or running not in self._active:
                continue
            if self._dead is not None:
                return
            token = running.next_token(own_logits, own_logprobs)
            if token.finish is not None:
                self._remove(running)
            self._deliver(running, token)

    def _deliver(self, running: _Running, item: Token | Exception) -> None:
        """A receiver that fails loses its own sequence only."""
        try:
            running.deliver(item)
        except Exception:
            logger.exception("a token was not taken")
            self._remove(running)
