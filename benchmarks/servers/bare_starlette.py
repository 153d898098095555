"""The least that an ASGI framework can do: a streaming response, no validation, no metrics."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from benchmarks.servers import PIECE


async def generate(request: Request) -> StreamingResponse:
    body = await request.json()
    return StreamingResponse(_pieces(body["max_tokens"]), media_type="text/plain")


async def tokenize(request: Request) -> JSONResponse:
    body = await request.json()
    return JSONResponse({"count": body["prompt"].count(PIECE)})


async def ready(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ready")


async def _pieces(count: int) -> AsyncGenerator[str, None]:
    for _ in range(count):
        yield PIECE
        await asyncio.sleep(0)


app = Starlette(
    routes=[
        Route("/generate", generate, methods=["POST"]),
        Route("/tokenize", tokenize, methods=["POST"]),
        Route("/readyz", ready),
    ],
)
