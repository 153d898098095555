"""Whether all that a client has said stands in the prompt: a template may leave messages out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.text.template_forms import MARK, Message, MessageForm, Render


def message_without_trace(
    messages: Sequence[Message], prompt: str, form: MessageForm, render: Render
) -> int | None:
    """Returns the index of a message of which the prompt shows nothing, None if there is none.

    Looked at are all texts but the assistant's, of which templates drop the reasoning, and the
    assistant's tool calls. A text that is not in the prompt as it is may stand there in another
    form; whether it does is known by what another text in its place changes.
    """
    position = 0
    for index, message in enumerate(messages):
        for text, changed in _texts(message):
            if message["role"] not in form.silent:
                place = prompt.find(text, position)
                if place >= 0:
                    position = place
                    continue
                if text in prompt:
                    continue
            others = [*messages[:index], changed, *messages[index + 1 :]]
            if render(others) == prompt:
                return index
    return None


def _texts(message: Message) -> Iterator[tuple[str, Message]]:
    """Yields each text that has to leave a trace, and the message with another in its place."""
    if message["role"] == "assistant":
        calls = message.get("tool_calls") or ()
        without = {name: value for name, value in message.items() if name != "tool_calls"}
        for call in calls:
            yield str((call.get("function") or {}).get("name") or ""), without
        return
    content = message.get("content")
    if isinstance(content, str):
        if content.strip():
            yield content.strip(), {**message, "content": MARK}
        return
    for place, part in enumerate(content or ()):
        text = part.get("text") if isinstance(part, Mapping) else None
        if isinstance(text, str) and text.strip():
            parts: list[Any] = [*(content or ())]
            parts[place] = {**part, "text": MARK}
            yield text.strip(), {**message, "content": parts}
