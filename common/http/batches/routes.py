"""/v1/files and /v1/batches, beside the upload of a file."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs

from common.batches.batches import Batches
from common.errors import InvalidValue, UnknownParameter
from common.http.batches.objects import batch_object, file_object
from common.http.batches.schemas import MAX_BATCHES, MAX_FILES, BatchBody
from common.http.bodies import Bodies
from common.http.body import read_body
from common.http.exchange import Exchange

T = TypeVar("T")
PIECE = 2**18
"""Bytes of a file that are sent at once."""
PAGE = 20
JSONL = b"application/jsonl"


async def list_files(exchange: Exchange, batches: Batches) -> None:
    files = batches.store.files(exchange.owner)
    await exchange.respond_json(_page(exchange, files, file_object, MAX_FILES))


async def show_file(exchange: Exchange, batches: Batches) -> None:
    file = batches.store.file(exchange.path_rest, exchange.owner)
    await exchange.respond_json(file_object(file))


async def delete_file(exchange: Exchange, batches: Batches) -> None:
    """Raises InvalidValue for a file that a batch still reads."""
    file = batches.store.file(exchange.path_rest, exchange.owner)
    if batches.uses(file):
        raise InvalidValue("a batch that has not ended reads this file: cancel it first")
    batches.store.delete_file(file)
    await exchange.respond_json({"id": file.id, "object": "file", "deleted": True})


async def send_content(exchange: Exchange, batches: Batches) -> None:
    file = batches.store.file(exchange.path_rest, exchange.owner)
    length = (b"content-length", str(file.size).encode())
    with batches.store.content(file.id).open("rb") as content:
        await exchange.start(200, JSONL, [length])
        while piece := content.read(PIECE):
            await exchange.write(piece)
    await exchange.end()


async def create_batch(exchange: Exchange, needed: tuple[Batches, Bodies]) -> None:
    batches, bodies = needed
    body = await read_body(exchange, BatchBody, bodies)
    file = batches.store.file(body.input_file_id, exchange.owner)
    await exchange.respond_json(batch_object(batches.create(file, body.endpoint, body.metadata)))


async def list_batches(exchange: Exchange, batches: Batches) -> None:
    own = batches.store.batches(exchange.owner)
    await exchange.respond_json(_page(exchange, own, batch_object, MAX_BATCHES))


async def show_batch(exchange: Exchange, batches: Batches) -> None:
    batch = batches.store.batch(exchange.path_rest, exchange.owner)
    await exchange.respond_json(batch_object(batch))


async def cancel_batch(exchange: Exchange, batches: Batches) -> None:
    batch = batches.store.batch(exchange.path_rest, exchange.owner)
    batches.cancel(batch)
    await exchange.respond_json(batch_object(batch))


def _page(
    exchange: Exchange, items: Sequence[Any], show: Callable[[Any], dict[str, Any]], most: int
) -> dict[str, Any]:
    """Returns the part of a list that the query asks for, by `after` and `limit`."""
    query = parse_qs(exchange.scope["query_string"].decode("latin-1"))
    unknown = next((name for name in query if name not in ("after", "limit")), None)
    if unknown is not None:
        raise UnknownParameter(
            f"unknown parameter {unknown[:100]!r}; allowed are 'after' and 'limit'",
            param=unknown[:100],
        )
    limit = query.get("limit", [str(PAGE)])[0]
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        raise InvalidValue(f"limit has to be from 1 to {most}", param="limit")
    after = query.get("after", [""])[0]
    ids = [each.id for each in items]
    if after and after not in ids:
        raise InvalidValue("after names nothing in this list", param="after")
    begin = ids.index(after) + 1 if after else 0
    shown = [show(each) for each in items[begin : begin + int(limit)]]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > begin + len(shown),
    }
