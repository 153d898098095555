"""POST /v1/responses."""

from collections.abc import Iterable
from typing import Any

from common.errors import ServiceError
from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.openai import chat_job
from common.http.renaming import renamed
from common.http.responding import respond
from common.http.responses.answered import ResponseObject
from common.http.responses.frames import ResponseFrames
from common.http.responses.schemas import ResponsesBody
from common.http.responses.translation import NAMES, chat_body
from common.http.runtime import Runtime


class ResponseDialect:
    """Errors as of the other routes of OpenAI's; in a stream they are numbered events."""

    def __init__(self, frames: ResponseFrames) -> None:
        self._frames = frames

    def body(self, error: ServiceError, request_id: str) -> dict[str, Any]:
        return error.body(request_id)

    def event(self, error: ServiceError, request_id: str) -> bytes:
        return self._frames.failure(error)

    def headers(self, request_id: str) -> Iterable[tuple[bytes, bytes]]:
        return ()


async def responses(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason of the answer."""
    body = await read_body(exchange, ResponsesBody, runtime.bodies)
    exchange.adapter = runtime.adapter(body.model)
    try:
        chat = await exchange.apart(chat_body, body)
        job, tools = await chat_job(exchange, chat, runtime)
    except ServiceError as error:
        raise renamed(error, NAMES) from None
    response = ResponseObject(runtime.name(exchange.adapter), job, body)
    frames = ResponseFrames(response, runtime.tokenizer, tools.parser())
    exchange.dialect = ResponseDialect(frames)
    return await respond(exchange, runtime, job, frames, stream=bool(body.stream))
