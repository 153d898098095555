"""What the tests of batches share: lines, and what OpenAI's client does with them."""

import json
from typing import Any

import openai

from tests.contract.support import CHAT, user
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

MAX_BYTES = 2**17
"""Of a file of the shared service."""


def client_of(service: Service, name: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key=f"{name}-key", max_retries=0)


def request(custom_id: str, /, **fields: Any) -> dict[str, Any]:
    body = {"messages": user(custom_id), "max_tokens": 4, **fields}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}


def upload(client: openai.OpenAI, *lines: dict[str, Any]) -> str:
    data = "\n".join(map(json.dumps, lines)).encode()
    return client.files.create(file=("mine.jsonl", data), purpose="batch").id


def create(client: openai.OpenAI, *lines: dict[str, Any], **fields: Any) -> Any:
    return client.batches.create(
        input_file_id=upload(client, *lines),
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **fields,
    )


def ended(client: openai.OpenAI, batch_id: str) -> Any:
    final = ("completed", "failed", "cancelled")
    eventually(
        lambda: client.batches.retrieve(batch_id).status in final, DEADLINE, "the batch has ended"
    )
    return client.batches.retrieve(batch_id)


def completed(client: openai.OpenAI, batch_id: str) -> int:
    """Returns how many lines have been answered so far."""
    counts = client.batches.retrieve(batch_id).request_counts
    return 0 if counts is None else counts.completed


def answers(client: openai.OpenAI, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def endless(count: int) -> list[dict[str, Any]]:
    return [request(f"n{i}", max_tokens=300, ignore_eos=True) for i in range(count)]
