"""Request fields that are accepted because they change nothing here, or refused by name.

`null` means absent, in these fields as in all others. docs/api.md has this data as a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """Says why a field has no effect.

    `values` are those of which that is true, None all values. For others `refusal` says why not.
    """

    reason: str = ""
    values: tuple[Any, ...] | None = None
    refusal: str = ""

    def allows(self, value: Any) -> bool:
        return self.values is None or any(value == each for each in self.values)


Fields = Mapping[str, Accepted]


def refused(reason: str) -> Accepted:
    """Returns the entry of a field that only null may have."""
    return Accepted(values=(), refusal=reason)


CACHES_ITSELF = "equal beginnings of prompts are found in the cache without a mark"
NOT_STORED = "no answer is stored"
NO_BEAM_SEARCH = "there is no beam search here"
NO_SPEECH = "text is all that is generated here"
NO_USERS = "it names the end user for checks against abuse, and there are none here"
NO_AUDIO = "the models take no audio"
OWN_PROCESSOR = "the model's own processor reads images as its files say"
WHITE_SPACE = "the engine chooses the white space of a document"
THINKING = "it is a variable of chat templates: put it into chat_template_kwargs"

REQUEST: Fields = {
    "store": Accepted(NOT_STORED),
    "metadata": Accepted(f"it labels stored answers, and {NOT_STORED}"),
    "user": Accepted(NO_USERS),
    "safety_identifier": Accepted(NO_USERS),
    "service_tier": Accepted("all requests have the same tier"),
    "prompt_cache_key": Accepted(CACHES_ITSELF),
    "prompt_cache_retention": Accepted(CACHES_ITSELF),
    "prediction": Accepted("it may make an answer faster, and changes none"),
    "length_penalty": Accepted(NO_BEAM_SEARCH, (1,), NO_BEAM_SEARCH),
    "use_beam_search": Accepted(NO_BEAM_SEARCH, (False,), NO_BEAM_SEARCH),
    "early_stopping": Accepted(NO_BEAM_SEARCH, (False,), NO_BEAM_SEARCH),
    "spaces_between_special_tokens": Accepted("the tokenizer itself says how tokens are joined"),
    "guided_decoding_backend": Accepted("the engine chooses what follows a grammar"),
    "kv_transfer_params": Accepted("empty means none", ({},), "no KV cache is sent elsewhere"),
    "vllm_xargs": Accepted("empty means none", ({},), "there are no arguments beside the fields"),
    "logits_processors": Accepted("empty means none", ([],), "no code comes with a request"),
    "lora_path": Accepted("empty means none", ("", []), "model names an adapter"),
    "mm_processor_kwargs": Accepted("empty means none", ({},), OWN_PROCESSOR),
    "media_io_kwargs": Accepted("empty means none", ({},), OWN_PROCESSOR),
    "truncation_side": Accepted(
        "prompts are cut at their beginning", ("left",), "the end of a prompt is what counts"
    ),
    "stream_interval": Accepted(
        "what is new is sent at once", (1,), "no token is held back for others"
    ),
    "guided_whitespace_pattern": refused(WHITE_SPACE),
}
"""Fields of /v1/chat/completions and /v1/completions."""

CHAT: Fields = {
    **REQUEST,
    "verbosity": Accepted("no chat template has such a variable"),
    "modalities": Accepted(NO_SPEECH, (["text"],), NO_SPEECH),
    "audio": refused(NO_SPEECH),
    "web_search_options": Accepted("empty means none", ({},), "there is no web search here"),
    "documents": Accepted("empty means none", ([],), "documents go into the messages"),
    "echo": Accepted("false is the default", (False,), "only /v1/completions echoes its prompt"),
    "chat_template": refused(
        "a template is a program, which no request may bring; the setting chat_template names one"
    ),
    "enable_thinking": refused(THINKING),
    "thinking": refused(THINKING),
    "think": refused(THINKING),
}
"""Fields of /v1/chat/completions."""

COMPLETION: Fields = {
    **REQUEST,
    "suffix": Accepted("empty means none", ("",), "no text is filled in before a suffix"),
}
"""Fields of /v1/completions."""

STREAM_OPTIONS: Fields = {
    "include_obfuscation": Accepted("no chunk is padded, so none can be left unpadded"),
}

STRUCTURED_OUTPUTS: Fields = {
    "disable_any_whitespace": Accepted("false is the default", (False,), WHITE_SPACE),
    "disable_additional_properties": Accepted(
        "false is the default", (False,), "additionalProperties of the schema says it"
    ),
    "whitespace_pattern": refused(WHITE_SPACE),
    "structural_tag": refused("tools and tool_choice hold an answer to calls"),
}

EMBEDDINGS: Fields = {
    "user": REQUEST["user"],
    "input_type": refused("texts are embedded as they are: put the model's words before them"),
}
"""Fields of /v1/embeddings."""

MARKED: Fields = {"cache_control": Accepted(CACHES_ITSELF)}
"""What prompt caches of other services want to be marked by."""

MESSAGE: Fields = {
    **MARKED,
    "annotations": Accepted("they are notes to the text, which is in content"),
    "audio": refused(NO_AUDIO),
    "parsed": Accepted("the openai package adds it, made of the text in content"),
    "provider_specific_fields": Accepted("the litellm package adds it for itself"),
}
PART: Fields = {**MARKED, "annotations": MESSAGE["annotations"]}
DETAIL = Accepted(
    "the model's own processor sizes an image",
    ("auto", "high", "original"),
    "an image is always shown to the model in the size that its own processor makes of it",
)
IMAGE_URL: Fields = {"detail": DETAIL}
TOOL_CALL: Fields = {
    **MARKED,
    "index": Accepted("streams number calls by it; in a message the order does"),
    "provider_specific_fields": MESSAGE["provider_specific_fields"],
}
FUNCTION_CALL: Fields = {
    "parsed_arguments": Accepted("the openai package adds it, made of arguments"),
}
FUNCTION: Fields = MARKED
TOOL: Fields = MARKED

ANTHROPIC: Fields = {
    **MARKED,
    "metadata": Accepted(NO_USERS),
    "service_tier": REQUEST["service_tier"],
    "inference_geo": Accepted("the service has one place"),
    "container": refused("there are no containers here"),
    "mcp_servers": Accepted("empty means none", ([],), "the client asks its servers itself"),
    "context_management": Accepted(
        "nothing is taken out of the messages",
        ({}, {"edits": []}, {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
        "the client chooses what it sends",
    ),
}
"""Fields of /v1/messages and /v1/messages/count_tokens."""
BLOCK: Fields = {
    **MARKED,
    "citations": Accepted("they are notes to the text"),
    "caller": Accepted("only the model calls tools"),
}
ANTHROPIC_TOOL: Fields = {
    **MARKED,
    "eager_input_streaming": Accepted("a call comes once it is complete"),
    "defer_loading": Accepted("false is the default", (False,), "no tool is searched for"),
    "allowed_callers": Accepted("only the model calls tools", (["direct"],), "no code runs here"),
    "input_examples": Accepted("empty means none", ([],), "no chat template shows them"),
}
THINKING_CONFIG: Fields = {
    "budget_tokens": Accepted("no engine holds to it; `max_tokens` limits all of an answer"),
}

PLACES: Mapping[str, Fields] = {
    "both `/v1` routes": REQUEST,
    "`/v1/chat/completions`": {n: e for n, e in CHAT.items() if n not in REQUEST},
    "`/v1/completions`": {n: e for n, e in COMPLETION.items() if n not in REQUEST},
    "`/v1/embeddings`": EMBEDDINGS,
    "`stream_options`": STREAM_OPTIONS,
    "`structured_outputs`": STRUCTURED_OUTPUTS,
    "a message": MESSAGE,
    "a content part": PART,
    "`image_url` of a part": IMAGE_URL,
    "a tool or its function": TOOL,
    "a tool call": {**TOOL_CALL, **FUNCTION_CALL},
    "`/v1/messages`": ANTHROPIC,
    "a block of `/v1/messages`": BLOCK,
    "a tool of `/v1/messages`": ANTHROPIC_TOOL,
    "`thinking` of `/v1/messages`": THINKING_CONFIG,
}
"""All of it by where it stands in a request, for the documentation."""
