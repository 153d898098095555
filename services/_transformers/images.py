"""Images in continuous batching, which takes token ids and nothing else.

The rows that the vision part of a model makes of an image get ids above the vocabulary, and the
embedding knows them. So images are batched, read in parts and found in the prefix cache as text is.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from common.errors import InternalError
from common.prompt_images import PromptImages

KEPT = 32
"""Images whose rows are kept when no request has them: conversations send theirs again."""
LAST_ID = 2**31
"""Ids are 32-bit integers in a batch."""


class ImageRows:
    """The rows of one image, each the embedding of a token; `start` is the id of the first one."""

    def __init__(self, start: int, rows: Tensor) -> None:
        self.start = start
        self.rows = rows
        self.users = 0

    @property
    def ids(self) -> range:
        return range(self.start, self.start + len(self.rows))


class EmbeddingWithImages(torch.nn.Module):
    """The model's embedding, and the rows of the images in `shown`.

    `shown` is written by the event loop and read by the generation thread: a new tuple each time.
    """

    def __init__(self, embedding: Any) -> None:
        super().__init__()
        self.embedding = embedding
        self.shown: tuple[ImageRows, ...] = ()

    @property
    def weight(self) -> Tensor:
        weight: Tensor = self.embedding.weight
        return weight

    def forward(self, ids: Tensor) -> Tensor:
        shown = self.shown
        if not shown:
            return self._embedded(ids)
        of_images = ids >= self.embedding.num_embeddings
        embedded = self._embedded(ids.masked_fill(of_images, 0))
        if of_images.any():
            for image in shown:
                places = (ids >= image.start) & (ids < image.ids.stop)
                rows = image.rows[(ids[places] - image.start).long()]
                embedded[places] = rows.to(embedded.dtype)
        return embedded

    def _embedded(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(ids)
        return embedded


class ImageTokens:
    """Gives images ids, equal ones the same, while requests hold them. Not for two threads."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._placeholder: int = network.config.image_token_id
        self._embedding = EmbeddingWithImages(network.get_input_embeddings())
        network.set_input_embeddings(self._embedding)
        self._first_id = self._next_id = int(self._embedding.embedding.num_embeddings)
        self._images: OrderedDict[bytes, ImageRows] = OrderedDict()

    def encode(self, images: PromptImages) -> list[tuple[bytes, Tensor]]:
        """Returns a key of each image and its rows. It takes long: not for the event loop.

        Raises InternalError.
        """
        keys = [_key(picture) for picture in images.pictures]
        known = [self._images.get(key) for key in keys]
        rows = [image.rows for image in known if image is not None]
        return list(zip(keys, rows if len(rows) == len(keys) else self._rows(images), strict=True))

    @torch.no_grad()
    def _rows(self, images: PromptImages) -> list[Tensor]:
        network = self._network
        tensors = {
            name: value.to(network.device, network.dtype if value.is_floating_point() else None)
            for name, value in images.tensors.items()
        }
        features = network.get_image_features(**tensors, return_dict=True).pooler_output
        if len(features) != len(images.pictures):
            raise InternalError(
                f"the model makes features of {len(features)} images, and not of "
                f"{len(images.pictures)}"
            )
        return [feature.reshape(-1, feature.shape[-1]) for feature in features]

    def hold(
        self, prompt_ids: Sequence[int], encoded: Sequence[tuple[bytes, Tensor]]
    ) -> tuple[list[int], list[ImageRows]]:
        """Returns the prompt with the images' own ids in the place of placeholders, and the images,
        which the embedding knows at least until they are released. Raises InternalError."""
        tokens = sum(len(rows) for _, rows in encoded)
        places = prompt_ids.count(self._placeholder)
        if tokens != places:
            raise InternalError(f"{tokens} rows of images for {places} placeholders in a prompt")
        held = []
        for key, rows in encoded:
            image = self._images.get(key) or self._new(rows)
            image.users += 1
            self._images[key] = image
            self._images.move_to_end(key)
            held.append(image)
        self._show()
        own = (token_id for image in held for token_id in image.ids)
        return [next(own) if i == self._placeholder else i for i in prompt_ids], held

    def release(self, images: Sequence[ImageRows]) -> None:
        """Keeps the last KEPT images that nobody holds."""
        for image in images:
            image.users -= 1
        unused = [key for key, image in self._images.items() if not image.users]
        for key in unused[: max(0, len(unused) - KEPT)]:
            del self._images[key]
        self._show()

    def _new(self, rows: Tensor) -> ImageRows:
        # What the prefix cache still had of the ids of so many tokens before is long gone.
        if self._next_id + len(rows) > LAST_ID:
            self._next_id = self._first_id
        image = ImageRows(self._next_id, rows)
        self._next_id += len(rows)
        return image

    def _show(self) -> None:
        # Also those that nobody holds: a batch may still have a request that was cancelled, and
        # what it computes of an image stays in the prefix cache.
        self._embedding.shown = tuple(self._images.values())


def _key(picture: Any) -> bytes:
    """Returns what tells one image from another: its size and its pixels."""
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).digest()
