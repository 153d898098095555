"""docs/api.md says what the code says."""

import json
import re

import pytest

from common.http.accepted import PLACES, Accepted
from common.http.adapters import LOAD_ADAPTER, LoadAdapterBody, UnloadAdapterBody
from common.http.anthropic.schemas import CountTokensBody, MessagesBody
from common.http.batches.schemas import BatchBody
from common.http.embeddings import EmbeddingsBody
from common.http.responses.items import IMAGE, ITEM
from common.http.responses.items import PART as ITEM_PART
from common.http.responses.schemas import FUNCTION, REASONING, RESPONSES, ResponsesBody
from common.http.schemas import (
    ChatBody,
    CompletionBody,
    ConversationFields,
    DetokenizeBody,
    GenerateBody,
    OpenAIFields,
    SamplingFields,
    StreamOptions,
    TokenizeBody,
)
from common.http.strict import Strict, known_names
from tests.service_process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "api.md").read_text("utf-8")
HEAD = "| field of {place} | accepted | why it changes nothing, or why others are refused |"

OTHER_PLACES = {
    "`/v1/responses`": RESPONSES,
    "`reasoning` of `/v1/responses`": REASONING,
    "a tool of `/v1/responses`": FUNCTION,
    "an item of `input`": ITEM,
    "a part of an item": ITEM_PART,
    "`/v1/load_lora_adapter`": LOAD_ADAPTER,
    "an `input_image`": IMAGE,
}
BATCH_PLACES = {"`/v1/batches`": BatchBody.accepted}


def row(name: str, entry: Accepted) -> str:
    values = "all values"
    if entry.values is not None:
        values = ", ".join(f"`{json.dumps(value)}`" for value in entry.values) or "`null` only"
    reasons = [entry.reason, entry.refusal]
    return f"| `{name}` | {values} | {'; '.join(dict.fromkeys(filter(None, reasons)))} |"


def tables() -> str:
    parts = [
        [HEAD.format(place=place), "|---|---|---|", *(row(*item) for item in fields.items())]
        for place, fields in {**OTHER_PLACES, **PLACES, **BATCH_PLACES}.items()
    ]
    return "\n\n".join("\n".join(lines) for lines in parts)


def fields(*bodies: type[Strict]) -> str:
    """Returns the table of the fields that these classes have by themselves."""
    own = {
        field.alias or name: " ".join((field.description or "").split())
        for body in bodies
        for name, field in body.model_fields.items()
        if name in body.__annotations__
    }
    rows = [f"| `{name}` | {description} |" for name, description in own.items()]
    return "\n".join(["| field | |", "|---|---|", *rows])


FIELDS = {
    "responses": fields(ResponsesBody),
    "sampling": fields(SamplingFields),
    "both /v1 routes": fields(OpenAIFields),
    "stream_options": fields(StreamOptions),
    "chat": fields(ChatBody, ConversationFields),
    "completions": fields(CompletionBody),
    "embeddings": fields(EmbeddingsBody),
    "messages": fields(CountTokensBody, MessagesBody),
    "batches": fields(BatchBody),
    "the others": fields(
        GenerateBody, TokenizeBody, DetokenizeBody, LoadAdapterBody, UnloadAdapterBody
    ),
}


@pytest.mark.parametrize("place", FIELDS)
def test_the_tables_of_fields_are_those_of_the_code(place: str) -> None:
    written = re.search(rf"<!-- fields of {place} -->\n(.*?)\n<!-- /fields -->", PAGE, re.DOTALL)
    assert written is not None
    assert written[1] == FIELDS[place], f"docs/api.md should have:\n\n{FIELDS[place]}"


def test_the_tables_of_accepted_fields_are_those_of_the_code() -> None:
    written = re.search(r"<!-- accepted -->\n(.*?)\n?<!-- /accepted -->", PAGE, re.DOTALL)
    assert written is not None
    assert written[1].strip() == tables(), f"docs/api.md should have:\n\n{tables()}"


@pytest.mark.parametrize(
    "body",
    [
        GenerateBody,
        ChatBody,
        CompletionBody,
        ResponsesBody,
        TokenizeBody,
        DetokenizeBody,
        CountTokensBody,
        MessagesBody,
        EmbeddingsBody,
        LoadAdapterBody,
        BatchBody,
    ],
)
def test_every_field_is_on_the_page(body: type[Strict]) -> None:
    assert {name for name in known_names(body) if f"`{name}`" not in PAGE} == set()
