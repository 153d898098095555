"""Finds the account of a key, among those of the settings and of a file that may change."""

import hmac
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from common.errors import StartError
from common.keys.account import Account, Clock, KeyLimits
from common.keys.file import UNNAMED, NamedKey, digest, read_keys

logger = logging.getLogger("bentoml.llm.keys")

INTERVAL = 1.0
"""Seconds for which a file is taken to be as it was."""
Stamp = tuple[int, ...]
"""What of a file's state changes with its text."""


class Keyring:
    """Knows the keys by their digests, and reads the file again when it has changed.

    A new file that cannot be used leaves the keys as they are, with one line in the log.
    """

    def __init__(
        self, keys: Iterable[str], file: str | None = None, clock: Clock = time.monotonic
    ) -> None:
        """Raises StartError for a file that cannot be used."""
        self._unnamed = [digest(key.encode()) for key in keys]
        self._file = None if file is None else Path(file)
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._known: list[tuple[bytes, Account]] = []
        self._looked = clock()
        self._stamp: Stamp | None = None
        named: Mapping[str, NamedKey] = {}
        if self._file is not None:
            self._stamp = _stamp(self._file)
            named = read_keys(self._file)
        self._take(named)

    @property
    def needed(self) -> bool:
        """Whether clients have to send a key."""
        return bool(self._known)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Returns the accounts by name, as the file has them now."""
        self._look()
        return self._accounts

    def account_of(self, key: bytes) -> Account | None:
        """Returns the account of a key as a client sent it, None where nobody has that key.

        It is compared with every key, so that the time taken tells nothing.
        """
        self._look()
        given = digest(key)
        matches = [account for own, account in self._known if hmac.compare_digest(own, given)]
        return matches[0] if matches else None

    def _look(self) -> None:
        """Read the file again if it has changed; within INTERVAL it is not looked at."""
        now = self._clock()
        if self._file is None or now - self._looked < INTERVAL:
            return
        self._looked = now
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take(read_keys(self._file))
            logger.info("read %d keys from %s again", len(self._accounts), self._file)
        except StartError as error:
            logger.error("the keys stay as they were: %s", error)

    def _take(self, named: Mapping[str, NamedKey]) -> None:
        """Know these keys; an account that had the same name goes on."""
        wanted = {name: each.limits for name, each in named.items()}
        if self._unnamed:
            wanted[UNNAMED] = KeyLimits()
        before = self._accounts
        self._accounts = {
            name: before.get(name) or Account(name, limits, self._clock)
            for name, limits in wanted.items()
        }
        for name, limits in wanted.items():
            self._accounts[name].change(limits)
        self._known = [(each, self._accounts[UNNAMED]) for each in self._unnamed]
        self._known += [(each.digest, self._accounts[name]) for name, each in named.items()]


def _stamp(file: Path) -> Stamp | None:
    """Returns None for a file that is not there."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
