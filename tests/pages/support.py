"""What the tests of the chat do in it, and streams that they make up."""

import json

from playwright.sync_api import Locator, Page, Request, expect

from common.http.events import event
from tests.contract.support import Body

CHAT = "**/v1/chat/completions"


def ask(chat: Page, text: str, *, tokens: int = 12) -> None:
    if tokens:
        chat.fill("#field-max_tokens", str(tokens))
    chat.fill("#prompt", text)
    chat.press("#prompt", "Enter")


def finished(chat: Page, number: int = 0) -> Locator:
    """Returns the line under an answer once it is there."""
    line = chat.locator(".answer").nth(number).locator(".figures")
    expect(line).not_to_be_empty()
    return line


def body_of(request: Request) -> Body:
    """Returns what a chat has sent."""
    body: Body = json.loads(request.post_data or "")
    return body


def chunk(**delta: str) -> bytes:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return event({"choices": [{"index": 0, "delta": delta}], "usage": usage})


def fulfil(chat: Page, *events: bytes) -> None:
    """Answer the next chats with this stream in place of the service."""
    headers = {"content-type": "text/event-stream"}
    chat.route(CHAT, lambda route: route.fulfill(body=b"".join(events), headers=headers))
