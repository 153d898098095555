"""What must not be baked into a bento, where everyone who gets the image can read it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from build_scripts.builder.errors import BuildError
from common.settings import Settings

NAMES = re.compile(
    r"api[_-]?keys?|(?:hf|auth|access|api|bearer)?[_-]?token|password|passwd|(?:client[_-]?)?secret",
    re.IGNORECASE,
)
HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
"""As the Hugging Face hub gives them out."""


def refuse_secrets(settings: Settings) -> None:
    """Raises BuildError, one line that does not repeat the secret."""
    for path, value in _leaves(settings.model_dump(exclude_unset=True)):
        where = f"setting {path[0]!r}" + (f" ({'.'.join(path[1:])})" if path[1:] else "")
        text = str(value)
        if NAMES.fullmatch(path[-1]) and value not in (None, "", []):
            raise BuildError(f"{where} is a secret and cannot be baked in; {_instead(path[0])}")
        if HUB_TOKEN.search(text):
            raise BuildError(f"{where} holds a token of the hub; set HF_TOKEN where it runs")
        if "@" in text and urlsplit(text).password:
            raise BuildError(f"{where} holds a password in its URL; {_instead(path[0])}")


def _instead(setting: str) -> str:
    return f"set {setting.upper()} where the bento runs"


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for name, value in values.items():
        inner = (*path, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, inner)
        elif isinstance(value, list) and not NAMES.fullmatch(name):
            yield from _leaves({str(place): each for place, each in enumerate(value)}, inner)
        else:
            yield inner, value
