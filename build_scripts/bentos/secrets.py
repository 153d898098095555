"""What must not be baked into a bento, where everyone who gets the image can read it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from build_scripts.builder.errors import BuildError
from common.settings import Settings

NAMES = re.compile(
    r"(?:^|[_-])(?:api[_-]?keys?|access[_-]?keys?|(?:hf|auth|access|api|bearer|hub)[_-]?token|token"
    r"|password|passwd|secret|credentials?)(?:[_-]|$)",
    re.IGNORECASE,
)
"""Of a setting, of a key inside one, of a variable, and of a flag: `--api-key`."""
NO_SECRETS = re.compile(
    r"(?:^|[_-])(?:max|min|num|stop|pad|eos|bos|special|batched)[_-]|token[_-]?id"
)
"""Tokens of text: max_num_batched_token, stop_token_ids."""
HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
"""As the Hugging Face hub gives them out."""


def refuse_secrets(settings: Settings) -> None:
    """Raises BuildError, one line that does not repeat the secret."""
    for path, value in _leaves(settings.model_dump(exclude_unset=True)):
        where = f"setting {path[0]!r}" + (f" ({'.'.join(path[1:])})" if path[1:] else "")
        text = str(value)
        if is_secret(path[-1]) and value not in (None, "", []):
            raise BuildError(f"{where} is a secret and cannot be baked in; {_instead(path[0])}")
        if HUB_TOKEN.search(text):
            raise BuildError(f"{where} holds a token of the hub; set HF_TOKEN where it runs")
        if "://" in text and _url_secret(text):
            raise BuildError(f"{where} holds a password in its URL; {_instead(path[0])}")
        if text.startswith("--") and is_secret(text[2:].partition("=")[0]):
            raise BuildError(f"{where} hands on a secret; {_instead(path[0])}")


def is_secret(name: str) -> bool:
    """By its name."""
    return NAMES.search(name) is not None and NO_SECRETS.search(name) is None


def _url_secret(text: str) -> bool:
    """A user without a password is a token, as a key in the query is."""
    try:
        parts = urlsplit(text)
        return bool(parts.username or parts.password) or any(map(is_secret, parse_qs(parts.query)))
    except ValueError:
        return False


def _instead(setting: str) -> str:
    return f"set {setting.upper()} where the bento runs"


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for name, value in values.items():
        inner = (*path, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, inner)
        elif isinstance(value, list) and not is_secret(name):
            yield from _leaves({str(place): each for place, each in enumerate(value)}, inner)
        else:
            yield inner, value
