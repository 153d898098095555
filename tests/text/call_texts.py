"""Calls as models of each format write them, by what has been published of the formats."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.text.reasoning import CALL_MARKS

Call = tuple[str, dict[str, Any]]


def objects(
    begin: str, end: str, keys: tuple[str, str] = ("name", "arguments"), separator: str = ""
) -> Callable[[Sequence[Call]], str]:
    """Each call between its own marks."""

    def write(calls: Sequence[Call]) -> str:
        return separator.join(
            begin + as_json({keys[0]: name, keys[1]: arguments}) + end for name, arguments in calls
        )

    return write


def listed(
    begin: str, end: str, keys: tuple[str, str] = ("name", "arguments"), indent: int | None = None
) -> Callable[[Sequence[Call]], str]:
    """All calls in one list."""

    def write(calls: Sequence[Call]) -> str:
        every = [{keys[0]: name, keys[1]: arguments} for name, arguments in calls]
        return begin + json.dumps(every, ensure_ascii=False, indent=indent) + end

    return write


def each(
    write: Callable[[str, str, int], str], begin: str = "", end: str = "", separator: str = ""
) -> Callable[[Sequence[Call]], str]:
    """Each call as `write` has it of a name, arguments in JSON, and a number."""

    def write_all(calls: Sequence[Call]) -> str:
        texts = [write(name, as_json(values), n) for n, (name, values) in enumerate(calls)]
        return begin + separator.join(texts) + end

    return write_all


def tagged(
    form: str, key: str, end: str, begin_all: str = "", end_all: str = ""
) -> Callable[[Sequence[Call]], str]:
    """`form` begins a call of a name, `key` writes an argument."""

    def write(calls: Sequence[Call]) -> str:
        texts = []
        for name, arguments in calls:
            written = [key.format(key=k, value=in_tag(v)) for k, v in arguments.items()]
            texts.append(form.format(name=name) + "".join(written) + end)
        return begin_all + "\n".join(texts) + end_all

    return write


def pythonic(begin: str, end: str) -> Callable[[Sequence[Call]], str]:
    def write(calls: Sequence[Call]) -> str:
        texts = [
            f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
            for name, arguments in calls
        ]
        return f"{begin}[{', '.join(texts)}]{end}"

    return write


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def in_tag(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


COHERE = ("tool_name", "parameters")
PARAMETER = "<parameter={key}>\n{value}\n</parameter>\n"
FUNCTION = "<function={name}>\n"
WRITERS: Mapping[str, Callable[[Sequence[Call]], str]] = {
    "hermes": objects("<tool_call>\n", "\n</tool_call>", separator="\n"),
    "llama3_json": objects("", "", ("name", "parameters"), "; "),
    "mistral_list": listed("[TOOL_CALLS] ", ""),
    "mistral": each(lambda name, text, n: f"[TOOL_CALLS]{name}[ARGS]{text}"),
    "deepseek_v3": each(
        lambda name, text, n: (
            f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{text}\n```"
            "<｜tool▁call▁end｜>"
        ),
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
        "\n",
    ),
    "deepseek_v31": each(
        lambda name, text, n: f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{text}<｜tool▁call▁end｜>",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
    ),
    "kimi": each(
        lambda name, text, n: (
            f"<|tool_call_begin|>functions.{name}:{n}<|tool_call_argument_begin|>{text}"
            "<|tool_call_end|>"
        ),
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
    ),
    "harmony": each(
        lambda name, text, n: CALL_MARKS[0] + name + CALL_MARKS[1] + text + CALL_MARKS[2]
    ),
    "granite": listed("<|tool_call|>", ""),
    "phi4_mini": listed("functools", ""),
    "nemotron": listed("<TOOLCALL>", "</TOOLCALL>"),
    "nemotron_4": objects("<toolcall> ", " </toolcall>", separator="\n"),
    "hunyuan": listed("<tool_calls>", "</tool_calls>"),
    "cohere": listed("<|START_ACTION|>", "<|END_ACTION|>", COHERE, 4),
    "command_r": listed("Action: ```json\n", "\n```", COHERE, 4),
    "qwen3_coder": tagged(f"<tool_call>\n{FUNCTION}", PARAMETER, "</function>\n</tool_call>"),
    "seed": tagged(f"<seed:tool_call>\n{FUNCTION}", PARAMETER, "</function>\n</seed:tool_call>"),
    "glm": tagged(
        "<tool_call>{name}\n",
        "<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
        "</tool_call>",
    ),
    "minimax_m2": tagged(
        '<invoke name="{name}">\n',
        '<parameter name="{key}">{value}</parameter>\n',
        "</invoke>",
        "<minimax:tool_call>\n",
        "\n</minimax:tool_call>",
    ),
    "pythonic": pythonic("", ""),
    "lfm2": pythonic("<|tool_call_start|>", "<|tool_call_end|>"),
}
AT_THE_START = ("llama3_json", "pythonic")
"""Formats whose calls have nothing before them."""
