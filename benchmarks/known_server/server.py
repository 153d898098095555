"""A server on aiohttp with both protocols of streams and a record of its own answers."""

import asyncio
import time

from aiohttp import web

from benchmarks.known_server import frames
from benchmarks.known_server.behaviour import Behaviour, Ending
from benchmarks.known_server.record import ServerRecord


class KnownServer:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._record = ServerRecord()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/generate", self._generate)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/truth", self._truth)
        app.router.add_delete("/truth", self._clear)
        return app

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, sse=False, chat=False)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, sse=True, chat=True)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, sse=True, chat=False)

    async def _answer(self, request: web.Request, *, sse: bool, chat: bool) -> web.StreamResponse:
        """Answers; a request that is to be cut loses its connection after half of its chunks."""
        arrived = time.monotonic()
        ending = self._behaviour.ending(len(self._record.arrived))
        self._record.arrived.append(arrived)
        self._record.endings[ending] += 1
        await request.read()
        if ending is Ending.REFUSED:
            return web.json_response({"error": {"message": "refused"}}, status=500)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if chat and self._behaviour.role_first:
            await response.write(frames.role())
        await self._stream(response, arrived, ending, sse=sse, chat=chat)
        if ending is Ending.STALL:
            await asyncio.Event().wait()
        if ending is Ending.CUT or (ending is not Ending.WHOLE and not sse):
            assert request.transport is not None
            request.transport.abort()
            return response
        if sse:
            await self._end(response, ending, chat=chat)
        await response.write_eof()
        return response

    async def _stream(
        self, response: web.StreamResponse, arrived: float, ending: Ending, *, sse: bool, chat: bool
    ) -> None:
        """Sends each chunk at its own time from the arrival, so that no delays add up."""
        behaviour = self._behaviour
        chunks = behaviour.chunks if ending is Ending.WHOLE else behaviour.chunks // 2
        for number in range(chunks):
            await _sleep_until(arrived + behaviour.ttft + number * behaviour.itl)
            first = number * behaviour.per_chunk
            count = min(behaviour.per_chunk, behaviour.tokens - first)
            data = frames.delta(first, count, chat=chat) if sse else frames.raw(first, count)
            now = time.monotonic()
            if number == 0:
                self._record.first_tokens.append(now)
            self._record.sent.append((now, count))
            if behaviour.split_bytes:
                for index in range(len(data)):
                    await response.write(data[index : index + 1])
            else:
                await response.write(data)

    async def _end(self, response: web.StreamResponse, ending: Ending, *, chat: bool) -> None:
        if ending is Ending.ERROR:
            await response.write(frames.error())
            return
        if ending is Ending.SILENT_END:
            return
        behaviour = self._behaviour
        for part in frames.ending(behaviour.tokens, 7, chat=chat, usage=behaviour.usage):
            await response.write(part)

    async def _tokenize(self, request: web.Request) -> web.Response:
        prompt = str((await request.json())["prompt"])
        return web.json_response({"count": len(prompt) // 2})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": frames.MODEL, "object": "model"}]}
        )

    async def _truth(self, request: web.Request) -> web.Response:
        return web.json_response(self._record.as_json())

    async def _clear(self, request: web.Request) -> web.Response:
        self._record = ServerRecord()
        return web.Response(status=204)


async def _sleep_until(when: float) -> None:
    wait = when - time.monotonic()
    if wait > 0:
        await asyncio.sleep(wait)
