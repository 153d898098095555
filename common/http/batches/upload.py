"""POST /v1/files: a form with a file of requests, bounded while it streams in."""

import asyncio
from collections.abc import AsyncGenerator
from typing import BinaryIO, NamedTuple

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from common.batches.batches import Batches
from common.batches.store import PURPOSE
from common.errors import InvalidValue, UnknownParameter, UnsupportedMediaType, UnsupportedParameter
from common.http.batches.objects import file_object
from common.http.body import read_parts
from common.http.exchange import Exchange

MAX_FILENAME = 200
EXPIRY = "expires_after"


class _Upload(NamedTuple):
    filename: str
    content: BinaryIO


async def upload(exchange: Exchange, batches: Batches) -> None:
    """Raises RequestTooLarge, UnsupportedMediaType, InvalidValue, UnknownParameter."""
    media_type = (exchange.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise UnsupportedMediaType(
            f"content-type must be multipart/form-data, not {media_type[:100]!r}"
        )
    parts: AsyncGenerator[bytes, None] = read_parts(exchange, batches.settings.max_batch_bytes)
    parser = MultiPartParser(Headers(scope=exchange.scope), parts, max_files=1, max_fields=8)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidValue(f"the form is not valid: {error.message}") from None
    try:
        given = _checked(form)
        file = await asyncio.to_thread(
            batches.store.add_file, exchange.owner, given.filename, PURPOSE, given.content
        )
    finally:
        await form.close()
    await exchange.respond_json(file_object(file))


def _checked(form: FormData) -> _Upload:
    for name in form:
        if name.startswith(EXPIRY):
            raise UnsupportedParameter(
                f"{EXPIRY!r} is not supported: files stay until they are deleted", param=EXPIRY
            )
        if name not in ("file", "purpose"):
            raise UnknownParameter(f"unknown parameter {name[:100]!r}", param=name[:100])
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise InvalidValue("'file' is required, as a file of the form", param="file")
    if form.get("purpose") != PURPOSE:
        raise InvalidValue(f"'purpose' is not valid: allowed is {PURPOSE!r}", param="purpose")
    return _Upload((file.filename or "requests.jsonl")[:MAX_FILENAME], file.file)
