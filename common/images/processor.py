"""The model's own processor, which says how many tokens an image takes and makes tensors of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL.Image import Image
from transformers import AutoProcessor

from common.errors import InvalidValue

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""What a processor returns of the text; the rest are arguments of the model's vision part."""


class ImageProcessor:
    """Reads what lies in the model's directory. Not for two threads at once.

    Raises what transformers raises where there is no processor, and ValueError for one without
    images.
    """

    def __init__(self, directory: Path, *, trust_remote_code: bool) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(
            directory, trust_remote_code=trust_remote_code, local_files_only=True
        )
        if getattr(self._processor, "image_processor", None) is None:
            raise ValueError("it is for text alone")
        self.placeholder: str = getattr(self._processor, "image_token", None) or ""
        if not self.placeholder:
            raise ValueError("it names no placeholder of an image")

    def __call__(
        self, text: str, pictures: Sequence[Image], *, add_special_tokens: bool
    ) -> tuple[list[int], dict[str, Any]]:
        """Returns the ids of a prompt with all tokens of its images, and the tensors by name.

        Raises InvalidValue where the placeholders in the text are not as many as the pictures.
        """
        marks = text.count(self.placeholder)
        if marks != len(pictures):
            raise InvalidValue(
                f"messages: the prompt has {marks} placeholders {self.placeholder!r} for "
                f"{len(pictures)} images; the text of a message must not have any",
                param="messages",
            )
        try:
            inputs = self._processor(
                text=[text],
                images=list(pictures),
                add_special_tokens=add_special_tokens,
                return_tensors="pt",
            )
        except ValueError as error:
            # It says which sizes it takes, such as sides that are too unequal.
            raise InvalidValue(
                f"messages: the model's processor refuses an image: {error!s:.200}",
                param="messages",
            ) from None
        tensors = {name: value for name, value in inputs.items() if name not in TEXT_INPUTS}
        return inputs["input_ids"][0].tolist(), tensors
