"""Work on a large body does not hold up others, and a small one costs no thread."""

import threading
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, model_validator

from common.errors import InvalidJSON, InvalidValue
from common.http.bodies import SMALL, Bodies
from common.http.body import read_body
from common.http.exchange import ASGIMessage, Exchange
from common.settings import Settings


class Text(BaseModel):
    """Notes in which thread it was checked."""

    text: str
    thread: int = 0

    @model_validator(mode="after")
    def _note(self) -> "Text":
        self.thread = threading.get_ident()
        return self


async def read(data: bytes) -> tuple[Text, Exchange]:
    async def receive() -> ASGIMessage:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: ASGIMessage) -> None:
        raise AssertionError(message)

    scope: dict[str, Any] = {"headers": [(b"content-type", b"application/json")]}
    exchange = Exchange(scope, receive, send, "id")
    return await read_body(exchange, Text, Bodies(Settings())), exchange


@pytest.mark.parametrize(("size", "apart"), [(100, False), (SMALL, True)])
async def test_a_large_body_is_checked_in_another_thread(size: int, apart: bool) -> None:
    body, exchange = await read(orjson.dumps({"text": "x" * size}))
    here = threading.get_ident()
    assert (body.thread != here) == apart
    assert (await exchange.apart(threading.get_ident) != here) == apart


@pytest.mark.parametrize("size", [100, SMALL])
async def test_the_errors_are_the_same(size: int) -> None:
    with pytest.raises(InvalidJSON):
        await read(b'{"text": "' + b"x" * size)
    with pytest.raises(InvalidValue, match="'text' is not valid"):
        await read(orjson.dumps({"text": [0] * size}))
