"""AsyncEngine: sessions, stop tokens and text around an engine that gives token ids."""

import asyncio
import copy
import dataclasses
import json
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import lmdeploy_engines

from ...messages import (
    EngineOutput,
    GenerationConfig,
    PytorchEngineConfig,
    ResponseType,
    ScheduleMetrics,
    TurbomindEngineConfig,
)
from ...metrics.metrics_processor import metrics_processor
from ...tokenizer import DetokenizeState, Tokenizer
from ..managers import Session, SessionManager
from .exceptions import CODES, ErrorCode, RequestError, SafeRunException

logger = logging.getLogger("lmdeploy")
logger.setLevel(logging.INFO)
WELL = (ResponseType.SUCCESS, ResponseType.FINISH, ResponseType.CANCEL)


@dataclasses.dataclass
class GenOut:
    response: str
    input_token_len: int
    generate_token_len: int
    finish_reason: Literal["stop", "length", "error", "abort"] | None = None
    token_ids: list[int] | None = None
    logprobs: list[dict[int, float]] | None = None
    logits: Any = None
    last_hidden_state: Any = None
    cache_block_ids: list[int] | None = None
    routed_experts: Any = None
    cached_tokens: int = 0
    logprob_token_ids: list[int] | None = None


@dataclasses.dataclass(slots=True)
class PreprocessedRequest:
    session: Session
    inputs: dict[str, Any]
    input_token_len: int
    gen_config: GenerationConfig
    adapter_name: str | None
    consumed: bool = False


class AsyncEngine:
    def __init__(
        self,
        model_path: str,
        model_name: str | None = None,
        backend: Literal["turbomind", "pytorch"] = "turbomind",
        backend_config: TurbomindEngineConfig | PytorchEngineConfig | None = None,
        chat_template_config: Any = None,
        max_log_len: int | None = None,
        trust_remote_code: bool = False,
        speculative_config: Any = None,
        allowed_media_domains: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if backend not in ("turbomind", "pytorch"):
            raise ValueError(f"unsupported backend {backend}")
        if backend_config is None:
            backend_config = (
                TurbomindEngineConfig() if backend == "turbomind" else PytorchEngineConfig()
            )
        self.model_name = model_name or model_path
        self.tokenizer = Tokenizer(model_path, trust_remote_code=trust_remote_code)
        generation = Path(model_path) / "generation_config.json"
        self.hf_gen_cfg = json.loads(generation.read_text()) if generation.exists() else {}
        config = json.loads((Path(model_path) / "config.json").read_text("utf-8"))
        self.session_len = backend_config.session_len or int(config["max_position_embeddings"])
        backend_config.session_len = self.session_len
        build = lmdeploy_engines.ENGINES[backend]
        self.engine = build(Path(model_path), backend_config)
        self.backend = backend
        self.backend_config = self.engine.engine_config
        self.is_sleeping = backend_config.empty_init
        self.session_mgr = SessionManager()
        self.session_mgr.build_request_handle_pool(self.engine, self.backend_config.max_batch_size)
        if self.backend_config.enable_metrics:
            metrics_processor.register(self.model_name)
        self.epoch = 0
        self._tick = (0, time.monotonic())

    def close(self) -> None:
        self.session_mgr.clear()
        self.engine.close()

    def start_loop(self, loop: asyncio.AbstractEventLoop, use_async_api: bool = False) -> bool:
        self.session_mgr.attach_event_loop(loop)
        if self.backend == "turbomind":
            return True
        if not use_async_api:
            raise NotImplementedError("the synchronous interface has no double")
        started: bool = self.engine.start_loop()
        return started

    async def get_schedule_metrics(self) -> ScheduleMetrics:
        metrics: ScheduleMetrics = self.engine.get_schedule_metrics()
        return metrics

    async def health_probe(self, scheduler_stall_timeout: float) -> dict[str, str]:
        """A handle that is out while nothing moves is taken for a stall."""
        if self.is_sleeping:
            return {"status": "sleeping", "message": "Engine is sleeping."}
        status = await self.engine.get_health_status()
        if not status["alive"]:
            return {"status": "unhealthy", "message": status["message"]}
        tick = status["schedule_metrics"].scheduler_tick
        pool = self.session_mgr.request_handle_pool
        if tick != self._tick[0] or pool is None or not pool.num_dispatched:
            self._tick = (tick, time.monotonic())
        if time.monotonic() - self._tick[1] > scheduler_stall_timeout:
            return {"status": "unhealthy", "message": "scheduler_tick has not advanced"}
        return {"status": "healthy", "message": status["message"]}

    async def stop_all_session(self) -> None:
        self.epoch += 1
        await self.session_mgr.async_abort_all()

    async def preprocess(
        self,
        messages: Any,
        session_id: int | Session,
        gen_config: GenerationConfig | None = None,
        tools: list[object] | None = None,
        reasoning_effort: Literal["low", "medium", "high", "max"] | None = None,
        do_preprocess: bool = True,
        adapter_name: str | None = None,
        input_ids: list[int] | None = None,
        enable_thinking: bool | None = None,
        chat_template_kwargs: dict[str, Any] | None = None,
        media_io_kwargs: dict[str, Any] | None = None,
        mm_processor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> PreprocessedRequest:
        if (messages is None) == (input_ids is None):
            raise RequestError(ErrorCode.INVALID_REQUEST, "messages or input_ids, and not both")
        if messages is not None:
            raise NotImplementedError("chat templates have no double")
        assert input_ids is not None
        if gen_config is not None and gen_config.response_format is not None:
            try:
                lmdeploy_engines.schema_of(gen_config.response_format)
            except ValueError as error:
                message = f"Unsupported response format: {error}"
                raise RequestError(ErrorCode.INVALID_REQUEST, message) from error
        session = (
            session_id if isinstance(session_id, Session) else self.session_mgr.get(session_id)
        )
        assert session is not None
        if session._handle is not None:
            raise RequestError(ErrorCode.REQUEST_CONFLICT)
        if len(input_ids) >= self.session_len:
            self.session_mgr.remove(session)
            raise RequestError(
                ErrorCode.CONTEXT_LENGTH_EXCEEDED,
                f"Input length ({len(input_ids)}) must be smaller than {self.session_len}.",
            )
        config = self._complete(gen_config)
        if config.max_new_tokens < 1:
            raise RequestError(ErrorCode.INVALID_REQUEST, "max_new_tokens must be at least 1")
        return PreprocessedRequest(
            session, {"input_ids": input_ids}, len(input_ids), config, adapter_name
        )

    def _complete(self, given: GenerationConfig | None) -> GenerationConfig:
        """Every EOS that the model's files know ends the answer too."""
        config = copy.deepcopy(given) or GenerationConfig()
        ends = set(config.stop_token_ids or ())
        if self.tokenizer.eos_token_id is not None:
            ends.add(self.tokenizer.eos_token_id)
        eos = self.hf_gen_cfg.get("eos_token_id")
        ends.update([eos] if isinstance(eos, int) else eos or ())
        config.stop_token_ids = list(ends)
        if not config.do_sample:
            config.top_k = 1
            config.temperature = 1.0
            config.repetition_penalty = 1.0
        elif config.random_seed is None:
            config.random_seed = random.getrandbits(64)
        return config

    @asynccontextmanager
    async def _safe_run(
        self, handle: Any, session: Session, **kwargs: Any
    ) -> AsyncIterator[AsyncGenerator[EngineOutput, None]]:
        """Whatever cuts a generation, the engine is told first, and a cut is not passed on."""
        generator = handle.async_stream_infer(session.session_id, **kwargs)
        try:
            yield generator
        except (asyncio.CancelledError, GeneratorExit) as error:
            await asyncio.shield(handle.async_cancel(session.session_id))
            raise SafeRunException from error
        except Exception as error:
            logger.exception("session %s failed", session.session_id)
            await asyncio.shield(handle.async_cancel(session.session_id))
            raise RequestError(ErrorCode.INTERNAL_ERROR) from error
        finally:
            await generator.aclose()

    async def generate(
        self, request: PreprocessedRequest, stream_response: bool = True
    ) -> AsyncGenerator[GenOut, None]:
        if not isinstance(request, PreprocessedRequest):
            raise TypeError("generate requires a PreprocessedRequest returned by preprocess")
        if request.consumed:
            raise RequestError(ErrorCode.REQUEST_CONFLICT)
        request.consumed = True
        session, config, failure = request.session, request.gen_config, None
        session._remove_on_request_exit = True
        async with session.request_handle() as handle:
            answer = _Answer(self.tokenizer, request)
            async with self._safe_run(
                handle,
                session,
                **request.inputs,
                gen_config=config,
                adapter_name=request.adapter_name,
                stream_output=stream_response,
            ) as outputs:
                last = EngineOutput(ResponseType.INTERNAL_ENGINE_ERROR, [])
                async for last in outputs:
                    metrics_processor.queue_update(last)
                    if last.status not in WELL:
                        break
                    if last.token_ids and not answer.stopped:
                        yield answer.add(last)
                if last.status in WELL:
                    yield answer.finish(last)
                else:
                    failure = RequestError(CODES.get(last.status, ErrorCode.INTERNAL_ERROR))
        self.session_mgr.remove(session)
        if failure is not None:
            raise failure


class _Answer:
    """Ids and text as they grow; a stop token is kept back."""

    def __init__(self, tokenizer: Tokenizer, request: PreprocessedRequest) -> None:
        self._tokenizer = tokenizer
        self._config = request.gen_config
        self._prompt = request.input_token_len
        self._ids = list(request.inputs["input_ids"])
        self._state = DetokenizeState(self._prompt)
        self._stops = [] if self._config.ignore_eos else self._config.stop_token_ids or []
        self._text = ""
        self.stopped = 0

    def add(self, output: EngineOutput) -> GenOut:
        self.stopped = int(output.token_ids[-1] in self._stops)
        shown = len(output.token_ids) - self.stopped
        self._ids += output.token_ids[:shown]
        start = self._state.ids_offset
        self._text, self._state = self._tokenizer.detokenize_incrementally(
            self._ids,
            self._state,
            skip_special_tokens=self._config.skip_special_tokens,
            spaces_between_special_tokens=self._config.spaces_between_special_tokens,
        )
        out = self._out(self._text, self._ids[start:], output)
        if output.logprobs is not None:
            out.logprobs = output.logprobs[:shown]
        return out

    def finish(self, output: EngineOutput) -> GenOut:
        """Empty, but for the stop token when it was asked for."""
        out = self._out(self._text if self._text.endswith("\ufffd") else "", [], output)
        if output.status == ResponseType.CANCEL:
            out.finish_reason = "abort"
            return out
        stopped = bool(output.token_ids) and output.token_ids[-1] in self._stops
        out.finish_reason = "stop" if stopped else "length"
        if stopped and self._config.include_stop_str_in_output:
            out.token_ids = output.token_ids[-1:]
            out.response = self._tokenizer.decode(out.token_ids, skip_special_tokens=False)
            out.logprobs = output.logprobs[-1:] if output.logprobs else None
            out.generate_token_len += 1
        return out

    def _out(self, text: str, ids: list[int], output: EngineOutput) -> GenOut:
        cached = output.req_metrics.cached_tokens if output.req_metrics else 0
        generated = len(self._ids) - self._prompt
        return GenOut(text, self._prompt, generated, token_ids=ids, cached_tokens=cached)
