"""Images of one colour, the parts of a request that hold them, and the model that names them."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tests.contract.support import Body

VISION_MODEL = Path(__file__).with_name("vision_model")
COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 160, 40),
    "blue": (30, 40, 220),
    "yellow": (240, 230, 40),
    "white": (250, 250, 250),
    "black": (10, 10, 10),
}
TOKENS = 4
"""Of each image."""
QUESTION = "What colour is it?"


def picture(colour: str, kind: str = "PNG", size: tuple[int, int] = (50, 70)) -> bytes:
    return encoded(Image.new("RGB", size, COLOURS[colour]), kind)


def encoded(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def part(url: str, **fields: Any) -> Body:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def text(value: str = QUESTION) -> Body:
    return {"type": "text", "text": value}


def asked(*parts: Body) -> list[Body]:
    return [{"role": "user", "content": list(parts)}]


def about(*colours: str) -> list[Body]:
    """Returns the messages that ask for the colours of images."""
    return asked(*(part(data_url(picture(colour))) for colour in colours), text())
