"""Reads the images of a request in a thread of its own, and makes the prompt that holds them."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from common.errors import InvalidValue
from common.images.decoding import decode
from common.images.fetching import Fetcher
from common.images.processor import ImageProcessor
from common.images.source import ImageFile, ImageSource, inline_file, is_inline
from common.prompt_images import PromptImages
from common.settings import Settings


class ImageReader:
    """One request at a time is decoded and processed: processors are not for two threads, and a
    picture takes up to three bytes for each of `max_image_pixels`."""

    def __init__(
        self, settings: Settings, processor: ImageProcessor, fetcher: Fetcher | None = None
    ) -> None:
        self._settings = settings
        self._processor = processor
        self._fetcher = fetcher or Fetcher(settings.image_urls, settings.max_image_bytes)
        self._thread = ThreadPoolExecutor(1, "images")

    async def read(
        self,
        sources: Sequence[ImageSource],
        text: str,
        short_ids: Sequence[int],
        *,
        add_special_tokens: bool,
    ) -> tuple[list[int], PromptImages]:
        """Returns the ids of the prompt `text`, with as many for each image as it takes tokens, and
        the images; `short_ids` have one for each.

        Raises InvalidValue and UnsupportedParameter, which name the image's part.
        """
        allowed = self._settings.max_images
        if len(sources) > allowed:
            raise InvalidValue(
                f"messages: {len(sources)} images; allowed are at most {allowed}",
                param=sources[allowed].place,
            )
        remote = [source for source in sources if not is_inline(source)]
        fetched = {file.place: file for file in await self._fetcher.fetch(remote)}

        def prompt() -> tuple[list[int], PromptImages]:
            pictures = [
                decode(self._file(source, fetched), self._settings.max_image_pixels)
                for source in sources
            ]
            ids, tensors = self._processor(text, pictures, add_special_tokens=add_special_tokens)
            return ids, PromptImages(pictures, tensors, short_ids)

        return await asyncio.get_running_loop().run_in_executor(self._thread, prompt)

    def _file(self, source: ImageSource, fetched: dict[str, ImageFile]) -> ImageFile:
        return fetched.get(source.place) or inline_file(source, self._settings.max_image_bytes)
