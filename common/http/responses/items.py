"""The items of which the input of a response consists."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from common.http.accepted import DETAIL, Accepted, Fields, refused
from common.http.messages import MAX_PART_TYPE, form_of_content, text_part
from common.http.strict import Strict

NOT_OURS = Accepted("the order of the items says what belongs together")
ITEM: Fields = {
    "id": NOT_OURS,
    "status": Accepted("an item that comes back is complete"),
    "phase": Accepted("no chat template shows it"),
    "namespace": Accepted("the name of a function says which it is"),
    "caller": Accepted("only the model calls functions"),
    "parsed_arguments": Accepted("the openai package adds it, made of arguments"),
    "encrypted_content": Accepted("no answer is encrypted here, so none is read"),
}
"""Fields of the items of `input`."""
PART: Fields = {
    "annotations": Accepted("they are notes to the text"),
    "logprobs": Accepted("they are notes to the text"),
    "parsed": Accepted("the openai package adds it, made of the text"),
    "prompt_cache_breakpoint": Accepted("equal beginnings are found in the cache without a mark"),
}
"""Fields of the parts of an item."""
IMAGE: Fields = {
    "detail": DETAIL,
    "file_id": refused("no file is stored: send the image itself as image_url"),
    "prompt_cache_breakpoint": PART["prompt_cache_breakpoint"],
}
"""Fields of an `input_image`."""
TEXTS = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "refusal": "refusal",
    "summary_text": "text",
    "reasoning_text": "text",
}
"""By the type of a part, the field that holds its text."""
TAGS = {
    "message": "MessageItem",
    "function_call": "FunctionCallItem",
    "function_call_output": "FunctionCallOutput",
    "reasoning": "ReasoningItem",
}
"""By the type of an item, the name under which an error's place has its class."""


class ItemPart(Strict):
    accepted = PART
    type: Literal["input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"]
    text: str = ""
    refusal: str = ""

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return text_part(value, TEXTS, "'input_text', 'output_text' and 'input_image'")


class InputImage(Strict):
    """An image in a data URL, or at an address."""

    accepted = IMAGE
    type: Literal["input_image"]
    image_url: str = Field(min_length=1)


Parts = Annotated[list[ItemPart], Field(fail_fast=True)]


def _kind_of_part(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "InputImage" if kind == "input_image" else "ItemPart"


Shown = Annotated[
    Annotated[ItemPart, Tag("ItemPart")] | Annotated[InputImage, Tag("InputImage")],
    Discriminator(_kind_of_part),
]

STRING_OR_PARTS = Discriminator(
    form_of_content,
    custom_error_type="content",
    custom_error_message="Content is a string or a list of parts",
)
Texts = Annotated[Annotated[str, Tag("str")] | Annotated[Parts, Tag("list")], STRING_OR_PARTS]


def joined(parts: str | Sequence[ItemPart | InputImage] | None) -> str:
    """Returns the text of all parts."""
    if parts is None or isinstance(parts, str):
        return parts or ""
    return "".join(part.text or part.refusal for part in parts if isinstance(part, ItemPart))


class MessageItem(Strict):
    """Images stand in a user's message only."""

    accepted = ITEM
    type: Literal["message"] = "message"
    role: Literal["user", "system", "developer", "assistant"]
    content: Annotated[
        Annotated[str, Tag("str")] | Annotated[list[Shown], Field(fail_fast=True), Tag("list")],
        STRING_OR_PARTS,
    ]

    @model_validator(mode="after")
    def _images_are_the_user_s(self) -> Self:
        for part in () if isinstance(self.content, str) else self.content:
            if isinstance(part, InputImage) and self.role != "user":
                raise ValueError("images stand in a user's message only")
        return self


class FunctionCallItem(Strict):
    accepted = ITEM
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(Strict):
    accepted = ITEM
    type: Literal["function_call_output"]
    call_id: str
    output: Texts


class ReasoningItem(Strict):
    accepted = ITEM
    type: Literal["reasoning"]
    summary: Parts | None = None
    content: Parts | None = None


def _known(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "item_reference":
        raise PydanticCustomError(
            "item", "no item is stored, so none can be referred to: send the item itself"
        )
    if isinstance(kind, str) and kind not in TAGS:
        raise PydanticCustomError(
            "item",
            "an item of type '{kind}' is not supported; allowed are " + ", ".join(TAGS),
            {"kind": kind[:MAX_PART_TYPE]},
        )
    return value


def _type(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return TAGS.get("message" if kind is None else str(kind))


Item = Annotated[
    Annotated[MessageItem, Tag("MessageItem")]
    | Annotated[FunctionCallItem, Tag("FunctionCallItem")]
    | Annotated[FunctionCallOutput, Tag("FunctionCallOutput")]
    | Annotated[ReasoningItem, Tag("ReasoningItem")],
    Discriminator(_type, custom_error_type="item", custom_error_message="An item has a type"),
    BeforeValidator(_known),
]

Items = Annotated[list[Item], Field(min_length=1, max_length=10_000, fail_fast=True)]
Input = Annotated[
    Annotated[str, Tag("str")] | Annotated[Items, Tag("list")],
    Discriminator(
        form_of_content,
        custom_error_type="input",
        custom_error_message="Input is a string or a list of items",
    ),
]
