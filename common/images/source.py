"""The bytes of an image that a request names, from the request itself or from a URL."""

import base64
import binascii
import re
from typing import NamedTuple

from common.errors import InvalidValue

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
"""The formats that are read, by media type."""
DATA = re.compile(r"data:([^,;]{0,100});base64,", re.IGNORECASE)


class ImageSource(NamedTuple):
    """An image as a request names it; `place` is that of its part, such as
    `messages[0].content[1]`."""

    place: str
    url: str


class ImageFile(NamedTuple):
    """The contents of an image's file; `media_type` is what its sender calls it, None where nobody
    says."""

    place: str
    data: bytes
    media_type: str | None = None


def is_inline(source: ImageSource) -> bool:
    """Returns whether the image stands in the request itself."""
    return source.url[:5].lower() == "data:"


def inline_file(source: ImageSource, max_bytes: int) -> ImageFile:
    """Returns the file in a data URL. Raises InvalidValue."""
    match = DATA.match(source.url)
    media_type = match and match[1].lower().replace("image/jpg", "image/jpeg")
    if match is None or media_type not in FORMATS:
        raise InvalidValue(
            f"{source.place}: not an image as data:TYPE;base64,…; allowed types are "
            f"{', '.join(FORMATS)}",
            param=source.place,
        )
    # Four characters are three bytes; the two last may be padding.
    if (len(source.url) - match.end()) // 4 * 3 - 2 > max_bytes:
        raise too_large(source.place, max_bytes)
    try:
        data = base64.b64decode(source.url[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"{source.place}: the data is not base64", param=source.place) from None
    if len(data) > max_bytes:
        raise too_large(source.place, max_bytes)
    return ImageFile(source.place, data, media_type)


def too_large(place: str, max_bytes: int) -> InvalidValue:
    """Returns the error of an image whose file is too large."""
    return InvalidValue(
        f"{place}: the image has too many bytes; allowed are at most {max_bytes}", param=place
    )
