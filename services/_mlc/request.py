"""The translation of requests to MLC-LLM and of its answers."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from common import messages
from common.engine import Chunk
from common.errors import InternalError
from common.json_schema import ANY, SchemaSupport
from common.sampling import Sampling

SOURCE_PREFIX = re.compile(r"^(.*Check failed: )?(\(.*?\) is false: )?(\[[\d:]+\] \S+:\d+: )?")
"""An error of MLC-LLM's C++ code begins with it: the condition, or the time and the line."""
SEEDS = 2**31
"""MLC-LLM keeps a seed in a C int."""
SCHEMAS = SchemaSupport(
    "MLC-LLM",
    {
        "$ref": (),
        "anyOf": (),
        "const": ("type",),
        "enum": ("type",),
        "object": ("properties", "required", "additionalProperties"),
        "array": ("items", "prefixItems"),
        "string": ("format",),
        **dict.fromkeys(("boolean", "integer", "null", "number", ANY), ()),
    },
    mixes_names=True,
)
"""From xgrammar d4f57c44, which MLC-LLM has (cpp/json_schema_converter.cc).

A schema that it cannot read ends the thread that generates for everybody. `format` restricts
nothing, in JSON Schema as there.
"""


def generation_config(sampling: Sampling) -> Any:
    """Returns a GenerationConfig that leaves nothing to the defaults of mlc-chat-config.json."""
    from mlc_llm.protocol.debug_protocol import DebugConfig
    from mlc_llm.protocol.generation_config import GenerationConfig
    from mlc_llm.protocol.openai_api_protocol import RequestResponseFormat

    response_format = debug_config = None
    if sampling.json_schema is not None:
        schema = grammar_schema(sampling.json_schema)
        response_format = RequestResponseFormat(type="json_object", schema=schema)
        # The other mode takes tokens back that it has already given.
        debug_config = DebugConfig(grammar_execution_mode="constraint")
    return GenerationConfig(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        repetition_penalty=1.0,
        seed=None if sampling.seed is None else sampling.seed % SEEDS,
        logit_bias=dict(sampling.logit_bias) or None,
        stop_strs=[],
        stop_token_ids=sorted(sampling.end_token_ids),
        response_format=response_format,
        debug_config=debug_config,
    )


def grammar_schema(schema: Mapping[str, Any]) -> str:
    """Returns a schema as JSON text for MLC-LLM.

    For a schema that it has a rule for already, such as {}, it makes none for the root, and dies:
    so the root is always anyOf.
    """
    branch = {name: value for name, value in schema.items() if name != "$defs"}
    root = {"anyOf": [branch], "$defs": schema.get("$defs", {})}
    return json.dumps(root, ensure_ascii=False)


def last_chunk(
    ids: Sequence[int], reason: str | None, usage: Mapping[str, Any], sampling: Sampling
) -> Chunk:
    """Returns the last chunk with the end token, which MLC-LLM takes away though it counts.

    Raises InternalError for an ending that is neither "stop" nor "length".
    """
    cached = _cached_tokens(usage)
    if reason == "length":
        return Chunk(ids, finish_reason="length", cached_tokens=cached)
    if reason != "stop":
        raise InternalError(f"MLC-LLM ended the generation with {reason!r}")
    # Of several it does not say which; none is ever shown.
    end = sorted(sampling.end_token_ids)[:1]
    return Chunk([*ids, *end], finish_reason="stop", cached_tokens=cached)


def _cached_tokens(usage: Mapping[str, Any]) -> int | None:
    """Returns the prompt tokens that were not computed; a preempted prompt is computed twice."""
    computed = (usage.get("extra") or {}).get("prefill_tokens")
    return None if computed is None else max(0, usage["prompt_tokens"] - computed)


def one_line(error: BaseException) -> str:
    """Returns what `error` says, without the line of MLC-LLM's source that it begins with."""
    return SOURCE_PREFIX.sub("", messages.one_line(error)) or type(error).__name__
