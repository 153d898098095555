"""The web server: the routes that the service uses, with axum's answers to what is no request."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.doubles.tgi.tgi_double.flags import Values
from tests.doubles.tgi.tgi_double.inference import Inference
from tests.doubles.tgi.tgi_double.schema import problem
from tests.doubles.tgi.tgi_double.validation import InferError, Limits, check_parameters, refused

VERSION = "3.3.7"
DEFAULTS = {"do_sample": True}
"""Of a request without parameters; with some, do_sample is false unless it is among them."""


class Router:
    def __init__(self, flags: Values) -> None:
        self._model_id = flags["model-id"]
        directory = Path(self._model_id)
        config = json.loads((directory / "config.json").read_text("utf-8"))
        most = int(flags.get("max-total-tokens", config["max_position_embeddings"]))
        self._limits = Limits(
            max_total_tokens=most,
            max_input_tokens=int(flags.get("max-input-tokens", most - 1)),
            max_stop_sequences=int(flags["max-stop-sequences"]),
            max_top_n_tokens=int(flags["max-top-n-tokens"]),
        )
        self._flags = flags
        self._inference = Inference(directory, self._limits)
        self._most = int(flags["max-concurrent-requests"])
        self._running = self._requests = 0
        self._cut_after = int(os.environ.get("DOUBLE_CUT_AFTER", "0"))

    def app(self) -> Starlette:
        routes = [
            Route("/health", self.health),
            Route("/info", self.info),
            Route("/metrics", self.metrics),
            Route("/tokenize", self.tokenize, methods=["POST"]),
            Route("/generate_stream", self.generate_stream, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def health(self, request: Request) -> Response:
        return Response()

    async def info(self, request: Request) -> Response:
        flags, limits = self._flags, self._limits
        return JSONResponse(
            {
                "model_id": self._model_id,
                "model_sha": None,
                "model_pipeline_tag": None,
                "max_concurrent_requests": self._most,
                "max_best_of": int(flags["max-best-of"]),
                "max_stop_sequences": limits.max_stop_sequences,
                "max_input_tokens": limits.max_input_tokens,
                "max_total_tokens": limits.max_total_tokens,
                "validation_workers": int(flags["validation-workers"]),
                "max_client_batch_size": int(flags["max-client-batch-size"]),
                "router": "text-generation-router",
                "version": VERSION,
                "sha": None,
                "docker_label": None,
            }
        )

    async def metrics(self, request: Request) -> Response:
        return PlainTextResponse(
            "# HELP tgi_request_count Total number of requests\n"
            "# TYPE tgi_request_count counter\n"
            f"tgi_request_count {self._requests}\n\n"
            "# HELP tgi_batch_current_size Current batch size\n"
            "# TYPE tgi_batch_current_size gauge\n"
            f"tgi_batch_current_size {self._running}\n\n"
        )

    async def tokenize(self, request: Request) -> Response:
        body, wrong = await self._read(request)
        if wrong is not None:
            return wrong
        encoding = self._inference.tokenizer.encode(body["inputs"], add_special_tokens=True)
        pieces = zip(encoding.ids, encoding.offsets, strict=True)
        return JSONResponse(
            [
                {"id": i, "text": body["inputs"][start:stop], "start": start, "stop": stop}
                for i, (start, stop) in pieces
            ]
        )

    async def generate_stream(self, request: Request) -> Response:
        self._requests += 1
        body, wrong = await self._read(request)
        if wrong is not None:
            return wrong
        parameters = body.get("parameters", DEFAULTS)
        return StreamingResponse(
            self._lines(body, parameters),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    async def _read(self, request: Request) -> tuple[dict[str, Any], Response | None]:
        """The body, or the answer to one that cannot be read."""
        data = await request.body()
        if len(data) > int(self._flags["payload-limit"]):
            return {}, PlainTextResponse("length limit exceeded", 413)
        if request.headers.get("content-type") != "application/json":
            return {}, PlainTextResponse(
                "Expected request with `Content-Type: application/json`", 415
            )
        try:
            body = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            return {}, PlainTextResponse(f"Failed to parse the request body as JSON: {error}", 400)
        fault = problem("GenerateRequest", body)
        if fault is not None and not fault.of_range:
            text = f"Failed to deserialize the JSON body into the target type: {fault.message}"
            return {}, PlainTextResponse(text, 422)
        return body, None

    async def _lines(
        self, body: dict[str, Any], parameters: dict[str, Any]
    ) -> AsyncGenerator[bytes, None]:
        begun = time.monotonic()
        self._running += 1
        sent = 0
        try:
            if self._running > self._most:
                raise InferError("overloaded", "Model is overloaded")
            check_parameters(parameters, self._limits)
            if (fault := problem("GenerateRequest", body)) is not None:
                raise refused(f"the OpenAPI document: {fault.message}")
            async with aclosing(self._inference.events(body["inputs"], parameters)) as events:
                async for event in events:
                    yield line(event)
                    sent += 1
                    if sent == self._cut_after:
                        return
            print(f" INFO generate_stream: {time.monotonic() - begun:.3f} s: Success", flush=True)
        except InferError as error:
            print(f"ERROR generate_stream: {error.event['error_type']}", flush=True)
            yield line(error.event)
        finally:
            self._running -= 1


def line(event: dict[str, Any]) -> bytes:
    return b"data:" + orjson.dumps(event) + b"\n\n"


def main(flags: Values) -> None:
    try:
        listener = socket.create_server((flags["hostname"], int(flags["port"])))
    except OSError as error:
        system = f'code: {error.errno}, kind: AddrInUse, message: "{error.strerror}"'
        print(f"Error: WebServer(Axum(Os {{ {system} }}))", flush=True)
        sys.exit(1)
    config = uvicorn.Config(Router(flags).app(), log_level="warning", lifespan="off")
    asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
