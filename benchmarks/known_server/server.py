"""The truth server: aiohttp, with both protocols of streams and what it knows of them."""

import asyncio
import time

from aiohttp import web

from benchmarks.known_server import frames
from benchmarks.known_server.behaviour import Behaviour, Fate
from benchmarks.known_server.count import Count


class Truth:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._count = Count()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/generate", self._generate)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/truth", self._truth)
        app.router.add_delete("/truth", self._forget)
        return app

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, sse=False, chat=False)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, sse=True, chat=True)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, sse=True, chat=False)

    async def _answer(self, request: web.Request, *, sse: bool, chat: bool) -> web.StreamResponse:
        """One that is to be cut off loses its connection after half of its chunks."""
        arrived = time.monotonic()
        fate = self._behaviour.fate_of(len(self._count.arrived))
        self._count.arrived.append(arrived)
        self._count.fates[fate] += 1
        await request.read()
        if fate is Fate.REFUSED:
            return web.json_response({"error": {"message": "refused"}}, status=500)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if chat and self._behaviour.role_first:
            await response.write(frames.role())
        await self._stream(response, arrived, fate, sse=sse, chat=chat)
        if fate is Fate.STALL:
            await asyncio.Event().wait()
        if fate is Fate.CUT or (fate is not Fate.WHOLE and not sse):
            assert request.transport is not None
            request.transport.abort()
            return response
        if sse:
            await self._end(response, fate, chat=chat)
        await response.write_eof()
        return response

    async def _stream(
        self, response: web.StreamResponse, arrived: float, fate: Fate, *, sse: bool, chat: bool
    ) -> None:
        """Each chunk at its own time from the arrival, so that no lateness adds up."""
        does = self._behaviour
        chunks = does.chunks if fate is Fate.WHOLE else does.chunks // 2
        for number in range(chunks):
            await _until(arrived + does.ttft + number * does.itl)
            first = number * does.per_chunk
            count = min(does.per_chunk, does.tokens - first)
            data = frames.delta(first, count, chat=chat) if sse else frames.raw(first, count)
            now = time.monotonic()
            if number == 0:
                self._count.first_tokens.append(now)
            self._count.sent.append((now, count))
            if does.split_bytes:
                for place in range(len(data)):
                    await response.write(data[place : place + 1])
            else:
                await response.write(data)

    async def _end(self, response: web.StreamResponse, fate: Fate, *, chat: bool) -> None:
        if fate is Fate.ERROR:
            await response.write(frames.error())
            return
        if fate is Fate.SILENT_END:
            return
        does = self._behaviour
        for part in frames.ending(does.tokens, 7, chat=chat, usage=does.usage):
            await response.write(part)

    async def _tokenize(self, request: web.Request) -> web.Response:
        said = str((await request.json())["prompt"])
        return web.json_response({"count": len(said) // 2})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": frames.MODEL, "object": "model"}]}
        )

    async def _truth(self, request: web.Request) -> web.Response:
        return web.json_response(self._count.told())

    async def _forget(self, request: web.Request) -> web.Response:
        """What came before is not counted."""
        self._count = Count()
        return web.Response(status=204)


async def _until(when: float) -> None:
    wait = when - time.monotonic()
    if wait > 0:
        await asyncio.sleep(wait)
