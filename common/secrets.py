"""What must not be baked into a bento or written into a file that is passed around."""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from common.errors import StartError
from common.settings import MAY_BE_SECRET, Settings

SECRET_NAMES = re.compile(
    r"(?:^|[_-])(?:api[_-]?keys?|access[_-]?keys?|(?:hf|auth|access|api|bearer|hub)[_-]?token|token"
    r"|password|passwd|secret|credentials?)(?:[_-]|$)",
    re.IGNORECASE,
)
"""Matches the name of a setting, of a key inside one, of a variable, or of a flag: `--api-key`."""
NO_SECRETS = re.compile(
    r"(?:^|[_-])(?:max|min|num|stop|pad|eos|bos|special|batched|first)[_-]|token[_-]?id"
    r"|[_-](?:file|path)(?:=|$)"
)
"""Matches names about tokens of text, such as first_token_timeout, and names of files."""
HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
"""Matches a token as the Hugging Face hub gives them out."""


def refuse_secrets(settings: Settings, where_to: str = "be baked in") -> None:
    """Raises StartError, one line that does not repeat the secret, for the first one found.

    `where_to` says what cannot be done with it.
    """
    for path, value in _leaves(settings.model_dump(exclude_unset=True)):
        where = f"setting {path[0]!r}" + (f" ({'.'.join(path[1:])})" if path[1:] else "")
        text = str(value)
        if is_secret(path[-1]) and value not in (None, "", []):
            raise StartError(f"{where} is a secret and cannot {where_to}; {_instead(path[0])}")
        if HUB_TOKEN.search(text):
            raise StartError(f"{where} holds a token of the hub; set HF_TOKEN where it runs")
        if "://" in text and _has_secret_in_url(text):
            raise StartError(f"{where} holds a password in its URL; {_instead(path[0])}")
        if text.startswith("--") and is_secret(text[2:].partition("=")[0]):
            raise StartError(f"{where} hands on a secret; {_instead(path[0])}")


def forget_secrets(environment: MutableMapping[str, str]) -> None:
    """Removes settings that may hold a secret: who has read them starts processes without them."""
    for name in MAY_BE_SECRET:
        environment.pop(name.upper(), None)


def is_secret(name: str) -> bool:
    """Says whether what has this name is a secret."""
    return SECRET_NAMES.search(name) is not None and NO_SECRETS.search(name) is None


def _has_secret_in_url(text: str) -> bool:
    """Says whether there is a user, a password or a key in the query; a user alone is a token."""
    try:
        parts = urlsplit(text)
        return bool(parts.username or parts.password) or any(map(is_secret, parse_qs(parts.query)))
    except ValueError:
        return False


def _instead(setting: str) -> str:
    return f"set {setting.upper()} where the bento runs"


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields each innermost value with the keys that lead to it."""
    for name, value in values.items():
        inner = (*path, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, inner)
        elif isinstance(value, list) and not is_secret(name):
            yield from _leaves({str(index): item for index, item in enumerate(value)}, inner)
        else:
            yield inner, value
