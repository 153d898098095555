"""Images in requests: what is read of them, what is refused, and what the engine gets."""

import base64
import struct
import zlib
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.engine import GenerateRequest
from common.http.runtime import Runtime
from tests.contract.support import CHAT, COUNT_TOKENS, MESSAGES, Body, assert_error
from tests.images.pictures import (
    TOKENS,
    VISION_MODEL,
    about,
    asked,
    data_url,
    encoded,
    part,
    picture,
    text,
)
from tests.in_process import echo_runtime

RESPONSES = "/v1/responses"
IMAGE_ID = 4
RED = data_url(picture("red"))
FIRST = "messages[0].content[0]"


class Seeing:
    """The application over an echo of the vision model, and the requests that its engine got."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient) -> None:
        self.runtime = runtime
        self.http = http
        self.requests: list[GenerateRequest] = []
        generate = runtime.engine.generate

        def recorded(request: GenerateRequest) -> Any:
            self.requests.append(request)
            return generate(request)

        runtime.engine.generate = recorded  # type: ignore[method-assign]

    async def post(self, path: str, body: Body) -> httpx.Response:
        return await self.http.post(path, json={"max_tokens": 1, **body}, timeout=60)

    async def ask(self, messages: list[Body], **fields: Any) -> GenerateRequest:
        """Returns what the engine gets for a chat."""
        response = await self.post(CHAT, {"messages": messages, **fields})
        assert response.status_code == 200, response.text
        assert response.json()["usage"]["prompt_tokens"] == len(self.requests[-1].prompt_ids)
        return self.requests[-1]

    async def refusal(self, place: str, *parts: Body, code: str = "invalid_value") -> str:
        response = await self.post(CHAT, {"messages": asked(*parts)})
        return assert_error(response, 400, code, place)


@pytest.fixture
async def seeing() -> AsyncIterator[Seeing]:
    limits: dict[str, Any] = {
        "max_images": 3,
        "max_image_bytes": 20_000,
        "max_image_pixels": 10_000,
    }
    runtime, http = await echo_runtime(VISION_MODEL, **limits)
    async with http:
        yield Seeing(runtime, http)


def runs(ids: Any) -> list[int]:
    """Returns the lengths of the runs of image tokens."""
    return [len(list(run)) for is_image, run in groupby(ids, IMAGE_ID.__eq__) if is_image]


async def test_an_image_takes_its_tokens_where_it_stands(seeing: Seeing) -> None:
    messages = asked(text("Which"), part(RED), text("colours"), part(RED))
    request = await seeing.ask(messages)
    assert runs(request.prompt_ids) == [TOKENS, TOKENS]
    assert request.images is not None
    assert runs(request.images.short_ids) == [1, 1]
    assert request.images.tensors["pixel_values"].shape == (2, 3, 32, 32)
    counted = await seeing.http.post("/tokenize", json={"messages": messages})
    assert counted.json()["tokens"] == request.prompt_ids


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3))
async def test_text_is_tokenized_as_it_is_without_images(texts: list[str]) -> None:
    runtime, http = await echo_runtime(VISION_MODEL)
    async with http:
        seeing = Seeing(runtime, http)
        texts = [f"{value}." for value in texts]
        parts = [each for value in texts for each in (part(RED), text(value))]
        request = await seeing.ask(asked(*parts))
        pieces = [await runtime.tokenizer.encode(v, add_special_tokens=False) for v in texts]
    rest = [token_id for token_id in request.prompt_ids if token_id != IMAGE_ID]
    assert rest[1:-2] == [token_id for ids in pieces for token_id in ids]
    assert runs(request.prompt_ids) == [TOKENS] * len(texts)


async def test_pictures_keep_their_order(seeing: Seeing) -> None:
    request = await seeing.ask(about("red", "blue", "green"))
    assert request.images is not None
    corners = [image.getpixel((0, 0)) for image in request.images.pictures]
    assert corners == [(220, 20, 20), (30, 40, 220), (20, 160, 40)]


async def test_every_route_makes_the_same_prompt(seeing: Seeing) -> None:
    expected = (await seeing.ask(asked(part(RED), text()))).prompt_ids
    source = {"type": "base64", "media_type": "image/png", "data": RED.partition(",")[2]}
    blocks = asked({"type": "image", "source": source}, text())
    parts = [
        {"type": "input_image", "image_url": RED},
        {"type": "input_text", "text": text()["text"]},
    ]
    bodies: dict[str, Body] = {
        MESSAGES: {"messages": blocks},
        RESPONSES: {"input": [{"role": "user", "content": parts}], "max_tokens": None},
    }
    for path, body in bodies.items():
        response = await seeing.post(path, body)
        assert response.status_code == 200, response.text
        assert seeing.requests[-1].prompt_ids == expected
        assert seeing.requests[-1].images is not None
    response = await seeing.http.post(COUNT_TOKENS, json={"messages": blocks})
    assert response.json() == {"input_tokens": len(expected)}


@pytest.mark.parametrize(
    ("kind", "media_type"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif")]
)
async def test_other_formats(seeing: Seeing, kind: str, media_type: str) -> None:
    url = data_url(picture("blue", kind), media_type)
    request = await seeing.ask(asked(part(url)))
    assert request.images is not None
    red, _, blue = request.images.pictures[0].getpixel((5, 5))
    assert blue > 200 > 60 > red


async def test_of_a_gif_the_first_frame_counts(seeing: Seeing) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("white", "black")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    request = await seeing.ask(asked(part(data_url(data, "image/gif"))))
    assert request.images is not None
    assert request.images.pictures[0].getpixel((0, 0)) == (255, 255, 255)


async def test_what_is_transparent_is_white(seeing: Seeing) -> None:
    data = encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0)))
    request = await seeing.ask(asked(part(data_url(data))))
    assert request.images is not None
    assert request.images.pictures[0].getpixel((0, 0)) == (255, 255, 255)


async def test_an_image_is_turned_as_its_camera_was(seeing: Seeing) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (20, 10)), "JPEG", exif=exif)
    request = await seeing.ask(asked(part(data_url(data, "image/jpeg"))))
    assert request.images is not None
    assert request.images.pictures[0].size == (10, 20)


def huge_header(width: int = 60_000, height: int = 60_000) -> bytes:
    """Returns a PNG whose header says that there are more pixels than its bytes could hold."""
    chunks = b""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        body = name + data
        chunks += struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("data:image/png;base64,AAAA$", "not base64"),
        ("data:image/png,AAAA", "allowed types are image/png"),
        ("data:image/tiff;base64,AAAA", "allowed types are image/png"),
        ("data:text/html;base64,AAAA", "allowed types are image/png"),
        (data_url(b"<svg/>"), "known format"),
        (data_url(b""), "known format"),
        (data_url(picture("red", "JPEG")), "JPEG, and not image/png"),
        (data_url(picture("red", "BMP")), "known format"),
        (data_url(picture("red")[:-30]), "cannot be decoded"),
        (data_url(picture("red", size=(101, 100))), "too many pixels"),
        (data_url(huge_header()), "too many pixels"),
        (data_url(huge_header(10_000, 10_000)), "too many pixels"),
        (data_url(bytes(20_001)), "too many bytes"),
        (data_url(bytes(90_000)), "too many bytes"),
    ],
)
async def test_an_image_that_cannot_be_read_is_refused_by_its_place(
    seeing: Seeing, url: str, words: str
) -> None:
    place = "messages[0].content[1]"
    assert words in await seeing.refusal(place, text(), part(url))
    assert not seeing.requests


async def test_more_images_than_allowed(seeing: Seeing) -> None:
    message = await seeing.refusal("messages[0].content[3]", *[part(RED)] * 5)
    assert "5 images; allowed are at most 3" in message


async def test_no_url_is_fetched_unless_its_host_is_allowed(seeing: Seeing) -> None:
    url = "https://example.com/a.png"
    message = await seeing.refusal(FIRST, part(url), code="unsupported_parameter")
    assert "image_urls" in message
    for scheme in ("file:///etc/passwd", "ftp://example.com/a", "a.png", "//example.com/a"):
        await seeing.refusal(FIRST, part(scheme))


async def test_the_models_placeholder_in_text_moves_no_image(seeing: Seeing) -> None:
    message = await seeing.refusal("messages", text("<image>"), part(RED))
    assert "2 placeholders '<image>' for 1 images" in message


async def test_tokens_of_images_count_for_the_context() -> None:
    runtime, http = await echo_runtime(VISION_MODEL, max_model_len=20)
    async with http:
        seeing = Seeing(runtime, http)
        await seeing.ask(asked(*[part(RED)] * 3))
        response = await seeing.post(CHAT, {"messages": asked(*[part(RED)] * 5)})
        assert_error(response, 400, "context_length_exceeded", "messages")


async def test_a_detail_is_accepted_or_refused_by_name(seeing: Seeing) -> None:
    await seeing.ask(asked(part(RED, detail="high")))
    place = f"{FIRST}.image_url.detail"
    low = part(RED, detail="low")
    message = await seeing.refusal(place, low, code="unsupported_parameter")
    assert "detail" in message


async def test_images_stand_in_the_users_messages_only(seeing: Seeing) -> None:
    for role in ("system", "assistant"):
        messages = [{"role": role, "content": [part(RED)]}, *asked(text())]
        response = await seeing.post(CHAT, {"messages": messages})
        assert_error(response, 400, "invalid_value", "messages[0]")


async def test_a_prompt_with_images_is_not_cut(seeing: Seeing) -> None:
    response = await seeing.post(CHAT, {"messages": about("red"), "truncate_prompt_tokens": 5})
    assert_error(response, 400, "unsupported_parameter", "truncate_prompt_tokens")


async def test_places_are_those_of_the_request_that_was_sent(seeing: Seeing) -> None:
    broken = base64.b64encode(b"nothing").decode()
    source = {"type": "base64", "media_type": "image/png", "data": broken}
    blocks = [*asked(text()), {"role": "assistant", "content": "red"}]
    blocks += asked(text(), {"type": "image", "source": source})
    response = await seeing.post(MESSAGES, {"system": "Be brief.", "messages": blocks})
    assert_error(response, 400, "invalid_value", "messages[2].content[1]")
    image = {"type": "input_image", "image_url": data_url(b"nothing")}
    items = [{"role": "user", "content": "Hi"}, {"role": "user", "content": [image]}]
    response = await seeing.http.post(RESPONSES, json={"instructions": "Be brief.", "input": items})
    assert_error(response, 400, "invalid_value", "input[1].content[0]")
