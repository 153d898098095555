"""Functions that count tokens as the measured service does."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.prompts.prompt_set import BadPrompts

TokenCounter = Callable[[str], int]
"""Returns the tokens of a text, without those that a model adds at its beginning."""
KEY = "LLM_API_KEY"
TIMEOUT = 60.0
"""Seconds."""
FILE = "tokenizer.json"


def served_tokenizer(url: str) -> TokenCounter:
    """Returns a counter by POST /tokenize of this project's services, which raises BadPrompts."""
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
                f"{address} does not count tokens ({error}); name its model's "
                "tokenizer, or filter lengths in words"
            ) from None

    return count


def local_tokenizer(source: str) -> TokenCounter:
    """Returns the counter of a model's directory, or of one on the hub; raises BadPrompts.

    It serves for an endpoint that counts no tokens.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from tokenizers import Tokenizer

    file = Path(source).expanduser() / FILE
    try:
        path = file if file.parent.is_dir() else Path(hf_hub_download(source, FILE))
        tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise BadPrompts(f"tokenizer {source!r}: {_first_line(error)}") from None
    except Exception as error:  # tokenizers raises nothing narrower
        raise BadPrompts(f"tokenizer {source!r}: {path.name} is no tokenizer: {error}") from None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
