"""How many connections may be open: in all, of one address, and before a request was let in."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, Protocol, get_args

from common.settings import Settings


class Connection(Protocol):
    """`waits` says that no request of it is being answered, so that little is lost with it."""

    address: str

    @property
    def waits(self) -> bool: ...

    def drop(self) -> None:
        """End the connection at once."""


Limit = Literal[
    "header_timeout",
    "body_timeout",
    "keep_alive_timeout",
    "max_header_bytes",
    "max_connections",
    "max_connections_per_address",
    "max_new_connections",
]
"""The setting because of which a connection was closed."""


class Connections:
    """The open ones, oldest first. Where one is too many, an older one gives way that waits.

    A connection is new until a request of it was let in: of these there may be the fewest.
    `closed` counts, by the limit, those that this service has ended.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_connections
        self._most_of_address = settings.max_connections_per_address
        self._most_new = settings.max_new_connections
        self._open: dict[Connection, None] = {}
        self._new: dict[Connection, None] = {}
        self._of_address: Counter[str] = Counter()
        self.closed: dict[str, int] = dict.fromkeys(get_args(Limit), 0)

    def add(self, connection: Connection) -> None:
        """Take a connection in; it is dropped itself where none can give way."""
        self._open[connection] = self._new[connection] = None
        self._of_address[connection.address] += 1
        if len(self._new) > self._most_new:
            ((address, _),) = Counter(each.address for each in self._new).most_common(1)
            oldest = next(each for each in self._new if each.address == address)
            self._drop(oldest, "max_new_connections")
        elif self._of_address[connection.address] > self._most_of_address:
            waiting = self._waiting(connection.address)
            self._drop(next(waiting, connection), "max_connections_per_address")
        elif len(self._open) > self._most:
            self._drop(next(self._waiting(None), connection), "max_connections")

    def let_in(self, connection: Connection) -> None:
        """Note that a request of it has a valid key, or that none is asked for."""
        self._new.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Note that it has ended; a second time nothing is done."""
        if connection in self._open:
            del self._open[connection]
            self._new.pop(connection, None)
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]

    def _waiting(self, address: str | None) -> Iterator[Connection]:
        """Returns those that wait, oldest first, of `address` if one is given."""
        return (each for each in self._open if each.waits and address in (None, each.address))

    def _drop(self, connection: Connection, limit: Limit) -> None:
        self.closed[limit] += 1
        connection.drop()
