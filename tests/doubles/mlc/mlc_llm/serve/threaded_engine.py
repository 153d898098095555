"""Stands for MLC-LLM's C++ code: one thread that generates, one that gives to Python.

An error in either ends that thread, and nobody is told.
"""

import itertools
import json
import operator
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.doubles.generation import DemoGenerator, Handle, Token

from . import requests
from .data import RequestStreamOutput, SingleRequestStreamOutput, TokenData
from .requests import Request

GRAMMAR_ENDS = ("</s>", "<|end_of_text|>", "<|eot_id|>", "<|endoftext|>", "<eos>", "<end_of_turn>")
WITHOUT_ROOT = (
    {},
    *({"type": name} for name in ("string", "number", "integer", "boolean", "null")),
)
"""Schemas that the grammar has a rule for, which it then does not take as its root."""
FUNCTIONS = (
    "init_threaded_engine",
    "run_background_loop",
    "run_background_stream_back_loop",
    "exit_background_loop",
    "reload",
    "reset",
    "get_complete_engine_config",
    "create_request",
    "add_request",
    "abort_request",
)
REMEMBERED = 16
"""Sequences in the prefix cache."""


@dataclass
class Running:
    request: Request
    handle: Handle
    computed: int
    """Tokens of the prompt that were not in the prefix cache."""
    generated: list[int]


class ThreadedEngine:
    def __init__(self) -> None:
        self._instructions: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        self._outputs: queue.SimpleQueue[RequestStreamOutput | None] = queue.SimpleQueue()
        self._loaded = threading.Event()
        self._generator: DemoGenerator | None = None
        self._config: dict[str, Any] = {}
        self._chat_config: Mapping[str, Any] = {}
        self._grammar_ends = False
        self._waiting: deque[Request] = deque()
        self._running: dict[str, Running] = {}
        self._finished: deque[list[int]] = deque(maxlen=REMEMBERED)
        self._tokens = 0

    def functions(self) -> dict[str, Callable[..., Any]]:
        return {name: getattr(self, name) for name in FUNCTIONS}

    def init_threaded_engine(
        self, device: str, callback: Callable[[list[RequestStreamOutput]], None], recorder: None
    ) -> None:
        self._callback = callback

    def run_background_loop(self) -> None:
        try:
            while (instruction := self._instructions.get()) is not None:
                name, argument = instruction
                getattr(self, f"_{name}")(argument)
        finally:
            if self._generator is not None:
                self._generator.close()

    def run_background_stream_back_loop(self) -> None:
        """What has come meanwhile is given in one call."""
        given = 0
        while (first := self._outputs.get()) is not None:
            batch = [first, *self._more()]
            given += len(batch)
            if _dies("stream") <= given:
                raise RuntimeError("the double's stream was told to end")
            self._callback(batch)

    def _more(self) -> Iterable[RequestStreamOutput]:
        while not self._outputs.empty():
            output = self._outputs.get()
            if output is None:
                self._outputs.put(None)
                return
            yield output

    def exit_background_loop(self) -> None:
        self._instructions.put(None)
        self._outputs.put(None)

    def reload(self, config_json: str) -> None:
        self._instructions.put(("reload", config_json))
        self._loaded.wait()

    def reset(self) -> None:
        self._instructions.put(("reset", None))

    def get_complete_engine_config(self) -> str:
        return json.dumps(self._config)

    def create_request(
        self, request_id: str, inputs: list[TokenData], generation_config_json: str
    ) -> Request:
        return requests.create(request_id, inputs, generation_config_json, self._chat_config)

    def add_request(self, request: Request) -> None:
        self._instructions.put(("add", request))

    def abort_request(self, request_id: str) -> None:
        self._instructions.put(("abort", request_id))

    def _reload(self, config_json: str) -> None:
        config: dict[str, Any] = json.loads(config_json)
        path = Path(config["model"])
        library = json.loads(Path(config["model_lib"]).read_text("utf-8"))
        self._chat_config = json.loads((path / "mlc-chat-config.json").read_text("utf-8"))
        weights = json.loads((path / "tensor-cache.json").read_text("utf-8"))
        model = path / weights["model"]
        tokenizer = (model / "tokenizer.json").read_text("utf-8")
        self._grammar_ends = any(json.dumps(end) in tokenizer for end in GRAMMAR_ENDS)
        if not 0 < config["gpu_memory_utilization"] <= 1:
            raise RuntimeError("Insufficient GPU memory error")
        sequences = config["max_num_sequence"] or library["max_batch_size"]
        if sequences > library["max_batch_size"]:
            raise RuntimeError(f"Check failed: {sequences} sequences were not compiled")
        longest = min(
            config["max_single_sequence_length"] or library["context_window_size"],
            library["context_window_size"],
        )
        total = config["max_total_sequence_length"] or library["kv_cache_tokens"]
        self._config = config | {
            "max_num_sequence": sequences,
            "max_single_sequence_length": longest,
            "max_total_sequence_length": total,
        }
        self._generator = DemoGenerator(model)
        self._loaded.set()

    def _reset(self, _: None) -> None:
        for request_id in list(self._running):
            self._abort(request_id)

    def _add(self, request: Request) -> None:
        if len(request.prompt) >= self._config["max_single_sequence_length"]:
            self._give(request.id, [], "length")
            self._give_usage(request.id, {"prompt_tokens": 0, "completion_tokens": 0}, None)
        else:
            if request.options.json_schema in WITHOUT_ROOT:
                raise RuntimeError('The root rule with name "root" is not found.')
            self._waiting.append(request)
            self._admit()

    def _admit(self) -> None:
        assert self._generator is not None
        while self._waiting and len(self._running) < self._config["max_num_sequence"]:
            request = self._waiting.popleft()
            room = self._config["max_single_sequence_length"] - len(request.prompt)
            options = replace(request.options, max_tokens=min(request.options.max_tokens, room))

            def deliver(item: Token | Exception, request: Request = request) -> None:
                self._instructions.put(("token", (request, item)))

            handle = self._generator.submit(request.prompt, options, deliver)
            computed = len(request.prompt) - self._cached(request.prompt)
            self._running[request.id] = Running(request, handle, computed, [])

    def _cached(self, prompt: list[int]) -> int:
        """The last token of a prompt is always computed."""
        if self._config["prefix_cache_mode"] == "disable":
            return 0
        return max((_shared(prompt[:-1], old) for old in self._finished), default=0)

    def _token(self, argument: tuple[Request, Token | Exception]) -> None:
        request, item = argument
        running = self._running.get(request.id)
        if running is None or running.request is not request:
            return
        if isinstance(item, Exception):
            raise item
        self._tokens += 1
        if _dies("loop") <= self._tokens:
            raise RuntimeError("the double's engine was told to end")
        running.generated.append(item.id)
        if item.finish == "stop" and request.options.json_schema and not self._grammar_ends:
            raise RuntimeError(f"Token id {item.id} is not accepted by the grammar state matcher.")
        # The token that ended the answer is taken away.
        self._give(request.id, [] if item.finish == "stop" else [item.id], item.finish)
        if item.finish is not None:
            self._finish(running)

    def _finish(self, running: Running) -> None:
        request = running.request
        del self._running[request.id]
        self._finished.append([*request.prompt, *running.generated])
        counts = {"prompt_tokens": len(request.prompt), "completion_tokens": len(running.generated)}
        self._give_usage(request.id, counts, {**counts, "prefill_tokens": running.computed})
        self._admit()

    def _abort(self, request_id: str) -> None:
        running = self._running.pop(request_id, None)
        if running is not None:
            running.handle.abort()
        elif not (left := [r for r in self._waiting if r.id == request_id]):
            return
        else:
            self._waiting.remove(left[0])
        self._give(request_id, [], "abort")
        self._give_usage(request_id, {"prompt_tokens": 0, "completion_tokens": 0}, None)
        self._admit()

    def _give(self, request_id: str, ids: list[int], finish: str | None) -> None:
        output = SingleRequestStreamOutput(ids, None, finish, None, "")
        self._outputs.put(RequestStreamOutput(request_id, output))

    def _give_usage(
        self, request_id: str, counts: Mapping[str, int], extra: Mapping[str, Any] | None
    ) -> None:
        usage = {**counts, "total_tokens": sum(counts.values()), "extra": extra}
        output = SingleRequestStreamOutput([], None, None, json.dumps(usage), "")
        self._outputs.put(RequestStreamOutput(request_id, output))


def _shared(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with."""
    return sum(1 for _ in itertools.takewhile(bool, map(operator.eq, one, other)))


def _dies(where: str) -> float:
    """The number of tokens or outputs with which it ends."""
    if os.environ.get("DOUBLE_DIE_IN", "loop") != where:
        return float("inf")
    return float(os.environ.get("DOUBLE_DIE_AFTER", "inf"))
