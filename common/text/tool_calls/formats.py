"""The formats of tool calls, and which one a template teaches."""

from collections.abc import Mapping
from typing import NamedTuple

from common.text.tool_calls.format import CallFormat
from common.text.tool_calls.harmony import HarmonyFormat
from common.text.tool_calls.headed import HeadedFormat
from common.text.tool_calls.objects import ObjectFormat
from common.text.tool_calls.pythonic import PythonicFormat
from common.text.tool_calls.tagged import TaggedFormat

COHERE_KEYS = ("tool_name", "parameters")
FUNCTION_TAGS = (("<function=", ">"), ("<parameter=", ">"), ("", "</parameter>"), "</function>")


class Taught(NamedTuple):
    """A template that teaches the format has all texts of one of `taught`."""

    form: CallFormat
    taught: tuple[tuple[str, ...], ...]


FORMATS: Mapping[str, Taught] = {
    "harmony": Taught(HarmonyFormat(), (("<|channel|>", "functions."),)),
    "kimi": Taught(
        HeadedFormat(
            "<|tool_call_begin|>",
            "<|tool_call_argument_begin|>",
            ("<|tool_call_end|>",),
            ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
            prefix="functions.",
        ),
        (("<|tool_calls_section_begin|>",),),
    ),
    "deepseek_v3": Taught(
        HeadedFormat(
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
            "\n```json\n",
            ("\n```", "<｜tool▁call▁end｜>"),
            ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
            separator="\n",
        ),
        (("<｜tool▁calls▁begin｜>", "```json"),),
    ),
    "deepseek_v31": Taught(
        HeadedFormat(
            "<｜tool▁call▁begin｜>",
            "<｜tool▁sep｜>",
            ("<｜tool▁call▁end｜>",),
            ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
        ),
        (("<｜tool▁calls▁begin｜>",),),
    ),
    "mistral": Taught(
        HeadedFormat("[TOOL_CALLS]", "[ARGS]", id_mark="[CALL_ID]", short_ids=True),
        (("[TOOL_CALLS]", "[ARGS]"),),
    ),
    "mistral_list": Taught(
        ObjectFormat(("[TOOL_CALLS]",), listed=True, short_ids=True),
        (("[TOOL_CALLS]",),),
    ),
    "cohere": Taught(
        ObjectFormat(("<|START_ACTION|>",), "<|END_ACTION|>", COHERE_KEYS, listed=True),
        (("<|START_ACTION|>",),),
    ),
    "command_r": Taught(
        ObjectFormat(("Action: ```json",), "```", COHERE_KEYS, "\n", listed=True),
        (("Action:", "tool_name"),),
    ),
    "phi4_mini": Taught(
        ObjectFormat(("functools", "<|tool_call|>"), listed=True),
        (("functools[",), ("<|tool_call|>", "<|/tool_call|>")),
    ),
    "granite": Taught(
        ObjectFormat(("<|tool_call|>", "<tool_call>"), listed=True),
        (("<|tool_call|>",),),
    ),
    "nemotron": Taught(
        ObjectFormat(("<TOOLCALL>",), "</TOOLCALL>", listed=True), (("<TOOLCALL>",),)
    ),
    "nemotron_4": Taught(
        ObjectFormat(("<toolcall>",), "</toolcall>", space=" "), (("<toolcall>",),)
    ),
    "hunyuan": Taught(
        ObjectFormat(("<tool_calls>",), "</tool_calls>", listed=True), (("<tool_calls>",),)
    ),
    "minimax_m2": Taught(
        TaggedFormat(
            "<minimax:tool_call>",
            "</minimax:tool_call>",
            ('<invoke name="', '">'),
            ('<parameter name="', '">'),
            ("", "</parameter>"),
            "</invoke>",
        ),
        (("<minimax:tool_call>",),),
    ),
    "seed": Taught(
        TaggedFormat("<seed:tool_call>", "</seed:tool_call>", *FUNCTION_TAGS),
        (("<seed:tool_call>",),),
    ),
    "qwen3_coder": Taught(
        TaggedFormat("<tool_call>", "</tool_call>", *FUNCTION_TAGS),
        (("<tool_call>", "<function="),),
    ),
    "glm": Taught(
        TaggedFormat(
            "<tool_call>",
            "</tool_call>",
            ("", ""),
            ("<arg_key>", "</arg_key>"),
            ("<arg_value>", "</arg_value>"),
        ),
        (("<tool_call>", "<arg_key>"),),
    ),
    "hermes": Taught(
        ObjectFormat(("<tool_call>",), "</tool_call>", space="\n"), (("<tool_call>",),)
    ),
    "lfm2": Taught(
        PythonicFormat("<|tool_call_start|>", "<|tool_call_end|>"), (("<|tool_call_start|>",),)
    ),
    "pythonic": Taught(
        PythonicFormat("<|python_start|>", "<|python_end|>"),
        (("[func_name1(",), ("<|python_start|>[",)),
    ),
    "llama3_json": Taught(ObjectFormat(keys=("name", "parameters")), (('"name"', '"parameters"'),)),
}
"""The first one that a template teaches is its format."""


def detect_format(template: str) -> str | None:
    """Returns the format that a chat template teaches, None when it knows no tools."""
    if "tools" not in template:
        return None
    for name, (_, taught) in FORMATS.items():
        if any(all(text in template for text in texts) for texts in taught):
            return name
    return None
