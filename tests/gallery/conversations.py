"""Conversations as clients send them, and what of each has to stand in the prompt."""

from typing import Any, NamedTuple

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather of a place.",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string", "description": "a town"}},
                "required": ["place"],
            },
        },
    }
]
ASKED: dict[str, Any] = {"role": "user", "content": "How warm is it in Rome?"}
CALL_ID = "a1B2c3D4e"


class Conversation(NamedTuple):
    """`said` are texts that may not be lost."""

    messages: list[dict[str, Any]]
    said: list[str]
    tools: list[dict[str, Any]] | None = None
    arguments: dict[str, Any] = {}


def call(call_id: str = CALL_ID) -> list[dict[str, Any]]:
    """Returns a question, a call and its result."""
    function = {"name": "weather", "arguments": '{"place": "Rome"}'}
    calls = [{"id": call_id, "type": "function", "function": function}]
    return [
        ASKED,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "name": "weather", "tool_call_id": call_id, "content": "18 degrees"},
    ]


CONVERSATIONS = {
    "a question": Conversation([ASKED], ["Rome?"]),
    "a system prompt": Conversation(
        [{"role": "system", "content": "Grüße <freundlich> & kurz."}, ASKED],
        ["<freundlich> &", "Rome?"],
    ),
    "several turns": Conversation(
        [
            ASKED,
            {"role": "assistant", "content": "  18 degrees\n"},
            {**ASKED, "content": " And 猫? "},
        ],
        ["Rome?", "18 degrees", "And 猫?"],
    ),
    "a list of parts": Conversation(
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "How warm is it"},
                    {"type": "text", "text": " in Rome?"},
                ],
            }
        ],
        ["How warm is it", "in Rome?"],
    ),
    "tools": Conversation([ASKED], ["Rome?"], TOOLS),
    "a call and its result": Conversation(call(), ["Rome?", "weather", "18 degrees"], TOOLS),
    "calls without tools": Conversation(call(), ["Rome?", "weather", "18 degrees"]),
    "an argument of the template": Conversation(
        [ASKED], ["Rome?"], None, {"enable_thinking": False, "thinking": True}
    ),
}
