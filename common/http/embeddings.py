"""POST /v1/embeddings."""

import base64
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from common.errors import ContextLengthExceeded, InvalidValue
from common.http.accepted import EMBEDDINGS
from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.runtime import Runtime
from common.http.schemas import Texts, TokenIds
from common.http.strict import Strict

MAX_INPUTS = 2048
"""As many as OpenAI's own API takes; packages send them in batches of this size."""


class EmbeddingsBody(Strict):
    """POST /v1/embeddings."""

    accepted = EMBEDDINGS
    model: str | None = None
    """The served name; `default`, an empty name or none mean the same."""
    input: str | Texts | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)]
    """A text, token ids, or a list of up to 2048 of either. Each has at most as many tokens as the
    model's context."""
    encoding_format: Literal["float", "base64"] = "float"
    """`base64` is that of the vector's 32-bit floats, little-endian."""
    dimensions: int | None = Field(None, ge=1)
    """Cuts each vector to its first numbers and makes it of length 1 again. Only for a model that
    was trained so (Matryoshka), which names the dimensions in its config."""
    add_special_tokens: bool = True
    """Whether the tokenizer adds its special tokens to a text, as the model was trained."""
    truncate_prompt_tokens: int | None = Field(None, ge=-1)
    """Cuts a text to its first tokens; -1 to as many as the model takes."""

    @field_validator("truncate_prompt_tokens")
    @classmethod
    def _some_tokens(cls, value: int | None) -> int | None:
        if value == 0:
            raise ValueError("at least one token is needed; -1 takes as many as the model does")
        return value


async def embeddings(exchange: Exchange, runtime: Runtime) -> None:
    body = await read_body(exchange, EmbeddingsBody, runtime.bodies)
    runtime.adapter(body.model)
    _check_dimensions(body.dimensions, runtime)
    texts = await _texts(body, runtime)
    for index, ids in enumerate(texts):
        _check(ids, index, runtime)
    await exchange.run(_answer(exchange, runtime, body, texts), runtime.generations)


async def _answer(
    exchange: Exchange, runtime: Runtime, body: EmbeddingsBody, texts: Sequence[Sequence[int]]
) -> None:
    vectors = await runtime.pipeline.embed(
        exchange.request_id, texts, exchange.client, background=exchange.of_batch
    )
    normalized = runtime.model.embedding.normalized
    written = _base64 if body.encoding_format == "base64" else list
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": written(_final(vector, body.dimensions, normalized=normalized)),
        }
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(map(len, texts))
    if exchange.account is not None:
        exchange.account.use(tokens, 0)
    await exchange.respond_json(
        {
            "object": "list",
            "data": data,
            "model": runtime.model.served_name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _final(vector: Sequence[float], dimensions: int | None, *, normalized: bool) -> Sequence[float]:
    """Returns the first numbers of a vector, of length 1 where it is cut or the model asks so."""
    if dimensions is None and not normalized:
        return vector
    kept = vector[:dimensions]
    length = math.hypot(*kept) or 1.0
    return [number / length for number in kept]


def _base64(vector: Sequence[float]) -> str:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers).decode()


def _check_dimensions(asked: int | None, runtime: Runtime) -> None:
    """Raises UnsupportedParameter, InvalidValue."""
    runtime.capabilities.check("dimensions", asked)
    embedding = runtime.model.embedding
    allowed = embedding.dimensions
    if asked is None or asked == embedding.size or (allowed and asked in allowed):
        return
    if allowed is None:
        if asked < embedding.size:
            return
        raise InvalidValue(
            f"dimensions is {asked}; allowed are 1 to {embedding.size}", param="dimensions"
        )
    listed = ", ".join(map(str, sorted({*allowed, embedding.size})))
    raise InvalidValue(f"dimensions is {asked}; allowed are {listed}", param="dimensions")


async def _texts(body: EmbeddingsBody, runtime: Runtime) -> list[list[int]]:
    """Returns the token ids of each text. Raises InvalidValue, ContextLengthExceeded."""
    given: Any = body.input
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]
    if not 0 < len(given) <= MAX_INPUTS:
        raise InvalidValue(
            f"input has {len(given)} entries; allowed are 1 to {MAX_INPUTS}", param="input"
        )
    most = body.truncate_prompt_tokens
    first = runtime.model.max_model_len if most == -1 else most
    if not isinstance(given[0], str):
        return [ids[:first] for ids in given]
    return await runtime.prompts.from_texts(
        given, param="input", add_special_tokens=body.add_special_tokens, first=first
    )


def _check(ids: Sequence[int], index: int, runtime: Runtime) -> None:
    most = runtime.model.max_model_len
    if not ids:
        raise InvalidValue(f"input[{index}] is empty; at least one token is needed", param="input")
    if len(ids) > most:
        raise ContextLengthExceeded.of(
            most,
            f"input[{index}] has {len(ids)} tokens; shorten it, or set truncate_prompt_tokens",
            "input",
        )
    runtime.parameters.vocabulary.check_prompt(ids, "input")
