"""Counting tokens as the measured service does."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable

from benchmarks.prompts.errors import BadPrompts

Counter = Callable[[str], int]
"""Tokens of a text, without those that a model adds at its beginning."""
KEY = "LLM_API_KEY"
TIMEOUT = 60.0
"""Seconds."""


def served_tokenizer(url: str) -> Counter:
    """By POST /tokenize of this project's services. The counter raises BadPrompts."""
    address = f"{url.rstrip('/')}/tokenize"

    def count(text: str) -> int:
        body = json.dumps({"prompt": text, "add_special_tokens": False}).encode()
        headers = {"content-type": "application/json"}
        if key := os.environ.get(KEY):
            headers["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(address, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return int(json.load(answer)["count"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise BadPrompts(
                f"{address} does not count tokens ({error}); filter lengths and make synthetic "
                "prompts for an endpoint that has it"
            ) from None

    return count
