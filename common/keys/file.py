"""The file that `api_keys_file` names: a TOML table for each key, by the name of its owner."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from common.errors import StartError
from common.files import read_text
from common.keys.account import KeyLimits
from common.messages import one_line

MAX_KEYS = 1000
"""Each name has series of its own in the metrics."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
UNNAMED = "api_keys"
"""The name that all keys of the setting `api_keys` share."""


class KeyEntry(BaseModel):
    """Holds a key, or the SHA-256 of one in hexadecimal digits, and the limits of its owner."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: SecretStr | None = Field(None, min_length=1)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)

    @property
    def digest(self) -> bytes:
        if self.key is None:
            return bytes.fromhex(self.sha256 or "")
        return digest(self.key.get_secret_value().encode())

    @property
    def limits(self) -> KeyLimits:
        return KeyLimits(self.requests_per_minute, self.tokens_per_minute)


class NamedKey(NamedTuple):
    digest: bytes
    limits: KeyLimits


def digest(key: bytes) -> bytes:
    """Returns the SHA-256 by which a key is known: what is kept tells no key."""
    return hashlib.sha256(key).digest()


def read_keys(file: Path) -> Mapping[str, NamedKey]:
    """Returns the keys by their names.

    Raises StartError, one line that repeats no key, for a file that cannot be used.
    """
    try:
        tables = tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise StartError(f"{file} is not TOML: {error}") from None
    if not 0 < len(tables) <= MAX_KEYS:
        raise StartError(f"{file} has {len(tables)} keys; allowed are 1 to {MAX_KEYS}")
    keys: dict[str, NamedKey] = {}
    names: dict[bytes, str] = {}
    for name, table in tables.items():
        entry = _entry(file, name, table)
        other = names.setdefault(entry.digest, name)
        if other != name:
            raise StartError(f"{file}: {other!r} and {name!r} have the same key")
        keys[name] = NamedKey(entry.digest, entry.limits)
    return keys


def _entry(file: Path, name: str, table: object) -> KeyEntry:
    if not NAME.fullmatch(name) or name == UNNAMED:
        raise StartError(
            f"{file}: {name[:80]!r} cannot name a key; allowed are 1 to 64 letters, digits and "
            f"._@-, a letter or digit first, but not {UNNAMED!r}"
        )
    if not isinstance(table, dict):
        # A key that stands alone is a secret: its name is all that may be told.
        raise StartError(f'{file}: {name!r} is no table; write [{name}] and then key = "..."')
    try:
        entry = KeyEntry.model_validate(table)
    except ValidationError as error:
        raise StartError(f"{file}: [{name}] {one_line(error)}") from None
    if (entry.key is None) == (entry.sha256 is None):
        raise StartError(f"{file}: [{name}] needs exactly one of key and sha256")
    return entry
