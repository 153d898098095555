"""Streams of tokens as the router makes them: turns of 1024 tokens, TGI's stopping criteria."""

import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from tests.doubles.generation import DemoGenerator, GeneratorDied, Options, stream
from tests.doubles.tgi.tgi_double.grammar import document
from tests.doubles.tgi.tgi_double.validation import InferError, Limits, Valid, refused, validate

NOT_IN_THE_DOUBLE = ("frequency_penalty", "typical_p", "watermark", "adapter_id", "stop")

Parameters = dict[str, Any]
Event = dict[str, Any]


class End(NamedTuple):
    text: str
    reason: str


class Step(NamedTuple):
    """`end` with the last token of a turn."""

    token: Event
    top_tokens: list[Event]
    end: End | None


class Inference:
    """The model behind the router. `die` is called when it is to end itself."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._limits = limits
        self._ends = end_ids(directory, self.tokenizer)
        added = self.tokenizer.get_added_tokens_decoder()
        self._special = {token_id for token_id, token in added.items() if token.special}
        step = float(os.environ.get("DOUBLE_STEP_SECONDS", "0.002"))
        self._generator = DemoGenerator(directory, step)
        self._die_after = int(os.environ.get("DOUBLE_DIE_AFTER", "0"))
        self._fail_after = int(os.environ.get("DOUBLE_FAIL_AFTER", "0"))
        self._made = 0

    async def events(self, inputs: str, parameters: Parameters) -> AsyncGenerator[Event, None]:
        """Raises InferError, for an event of its own."""
        valid = validate(inputs, parameters, self.tokenizer, self._limits)
        input_length = len(valid.input_ids)
        index, text = 0, ""
        turn: Valid | None = valid
        while turn is not None:
            current, turn = turn, None
            async for step in self._turn(current, parameters):
                index += 1
                if step.end is not None:
                    text += step.end.text
                    inputs += step.end.text
                    if step.end.reason == "length" and index < valid.max_total_new_tokens:
                        turn = self._continued(inputs, parameters)
                message = event(index, step)
                if step.end is not None and turn is None:
                    message["generated_text"] = text
                    if parameters.get("details"):
                        message["details"] = {
                            "finish_reason": step.end.reason,
                            "generated_tokens": index,
                            "input_length": input_length,
                            "seed": parameters.get("seed"),
                        }
                yield message

    def _continued(self, inputs: str, parameters: Parameters) -> Valid | None:
        """The next turn, with as many tokens as the first: none when they do not fit."""
        try:
            return validate(inputs, parameters, self.tokenizer, self._limits)
        except InferError:
            return None

    async def _turn(self, valid: Valid, parameters: Parameters) -> AsyncGenerator[Step, None]:
        ids = list(valid.input_ids)
        offsets = Offsets(self.tokenizer, ids)
        count = 0
        try:
            async for token in stream(self._generator, ids, self._options(valid, parameters)):
                self._count(count)
                count += 1
                shown = self._token(token.id, token.logprob, offsets.text(token.id))
                tops = [self._token(i, p, self.tokenizer.decode([i])) for i, p in token.top]
                end = None
                if count >= valid.max_new_tokens or token.finish is not None:
                    full_text = self.tokenizer.decode(
                        offsets.ids[len(ids) :], skip_special_tokens=True
                    )
                    # The limit is looked at first: a last end token does not count as one.
                    reason = "length" if count >= valid.max_new_tokens else "eos_token"
                    end = End(full_text, reason)
                yield Step(shown, tops, end)
        except GeneratorDied as error:
            raise failed(str(error)) from error

    def _count(self, count: int) -> None:
        """Of this stream `made` tokens have come."""
        if self._fail_after and count >= self._fail_after:
            raise failed("Server error: CUDA error: an illegal memory access was encountered")
        self._made += 1
        if self._die_after and self._made > self._die_after:
            os._exit(1)

    def _options(self, valid: Valid, parameters: Parameters) -> Options:
        given = {name: value for name, value in parameters.items() if value is not None}
        for name in NOT_IN_THE_DOUBLE:
            if given.get(name):
                raise refused(f"the double has no {name}")
        return Options(
            max_tokens=valid.max_new_tokens,
            temperature=given.get("temperature", 1.0) if valid.sampling else 0.0,
            top_p=given.get("top_p", 1.0),
            top_k=given.get("top_k", 0),
            repetition_penalty=given.get("repetition_penalty", 1.0),
            seed=given.get("seed"),
            end_ids=self._ends,
            json_schema=schema(given["grammar"]) if "grammar" in given else None,
            top_logprobs=given.get("top_n_tokens"),
        )

    def _token(self, token_id: int, logprob: float, text: str) -> Event:
        special = token_id in self._special
        return {"id": token_id, "text": text, "logprob": logprob, "special": special}


class Offsets:
    """The text that each token adds, "" while a character is incomplete."""

    def __init__(self, tokenizer: Tokenizer, ids: list[int]) -> None:
        self._tokenizer = tokenizer
        self.ids = list(ids)
        self._prefix, self._read = max(len(ids) - 5, 0), len(ids)

    def text(self, token_id: int) -> str:
        self.ids.append(token_id)
        decode = self._tokenizer.decode
        before = decode(self.ids[self._prefix : self._read], skip_special_tokens=False)
        now = decode(self.ids[self._prefix :], skip_special_tokens=False)
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._prefix, self._read = self._read, len(self.ids)
        return now[len(before) :]


def event(index: int, step: Step) -> Event:
    values: Event = {"index": index, "token": step.token}
    if step.top_tokens:
        values["top_tokens"] = step.top_tokens
    return values | {"generated_text": None, "details": None}


def failed(why: str) -> InferError:
    return InferError("generation", f"Request failed during generation: {why}")


def schema(grammar: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = grammar["value"]
    if grammar["type"] == "json" and "properties" not in value:
        raise refused("grammar is not valid: Grammar must have a 'properties' field")
    if grammar["type"] == "json":
        return value
    try:
        return {"const": document(grammar["value"])}
    except (ValueError, RecursionError) as error:
        raise failed(f"grammar: {error}") from error


def end_ids(directory: Path, tokenizer: Tokenizer) -> frozenset[int]:
    """A list in generation_config.json, else the tokenizer's one end token."""
    file = directory / "generation_config.json"
    ends = json.loads(file.read_text("utf-8")).get("eos_token_id") if file.exists() else None
    if isinstance(ends, list):
        return frozenset(ends)
    config = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    token = config.get("eos_token")
    text = token["content"] if isinstance(token, dict) else token
    token_id = tokenizer.token_to_id(text) if text else None
    return frozenset() if token_id is None else frozenset({token_id})
