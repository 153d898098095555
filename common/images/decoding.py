"""From the bytes of an image to its pixels, after its header has been checked."""

from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from common.errors import InvalidValue
from common.images.source import FORMATS, ImageFile

WHITE = (255, 255, 255, 255)
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises, or warns of, for sizes beyond its own limit."""


def decode(file: ImageFile, max_pixels: int) -> Image.Image:
    """Returns the picture in RGB, turned as its EXIF data says, on white where it is transparent;
    of several frames the first.

    Raises InvalidValue. Nothing is decoded before the header's size is known to be allowed.
    """
    try:
        picture = Image.open(BytesIO(file.data), formats=list(FORMATS.values()))
    except BOMB:
        raise _too_many_pixels(file.place, max_pixels) from None
    except UnidentifiedImageError:
        allowed = ", ".join(FORMATS.values())
        raise InvalidValue(
            f"{file.place}: not an image of a known format; allowed are {allowed}",
            param=file.place,
        ) from None
    except Exception:
        raise _broken(file.place) from None
    with picture:
        if picture.width * picture.height > max_pixels:
            raise _too_many_pixels(file.place, max_pixels)
        if file.media_type is not None and picture.format != FORMATS[file.media_type]:
            raise InvalidValue(
                f"{file.place}: the image is {picture.format}, and not {file.media_type}",
                param=file.place,
            )
        try:
            return _plain(picture)
        except Exception:
            # Decoders raise whatever a broken file makes them raise.
            raise _broken(file.place) from None


def _plain(picture: Image.Image) -> Image.Image:
    turned = ImageOps.exif_transpose(picture)
    if not turned.has_transparency_data:
        return turned.convert("RGB")
    layer = turned.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")


def _too_many_pixels(place: str, max_pixels: int) -> InvalidValue:
    return InvalidValue(
        f"{place}: the image has too many pixels; allowed are at most {max_pixels}", param=place
    )


def _broken(place: str) -> InvalidValue:
    return InvalidValue(f"{place}: the image cannot be decoded", param=place)
