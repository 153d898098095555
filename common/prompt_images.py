"""The images of a prompt, on their way to an engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class PromptImages:
    """The images of one prompt in their order there, for engines that make tensors of pictures
    themselves, and for those that take tensors.

    `pictures` are images of PIL in RGB. `tensors` are what the model's own processor has made of
    them, by the names of the model's arguments, such as "pixel_values". `short_ids` is the prompt
    with one placeholder for each image.
    """

    pictures: Sequence[Any]
    tensors: Mapping[str, Any]
    short_ids: Sequence[int]
