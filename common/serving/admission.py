"""Limits on the sequences in the engine and on the requests that wait for it.

Places are shared fairly: the next one goes to the client with the fewest, of its requests to the
one with the fewest, and of these to the oldest. What comes in the background gets one only while
nothing else waits; whoever sends it limits its number.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common.errors import InvalidValue, Overloaded, QueueTimeout
from common.serving.pace import Pace
from common.serving.queue_limit import QueueLimit


class Party:
    """The sequences of one request of a client; `waiting` are those that have no slot yet."""

    __slots__ = ("background", "client", "patience", "running", "waiting")

    def __init__(
        self, client: str, *, background: bool = False, patience: float | None = None
    ) -> None:
        """`patience` is how many seconds it may wait before it makes room for later ones."""
        self.client = client
        self.background = background
        self.patience = math.inf if patience is None else patience
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Admission:
    """Counts sequences, not requests: each answer to a request takes a slot of the engine."""

    def __init__(
        self,
        max_concurrency: int,
        max_queue: int,
        queue_timeout: float,
        max_answers: int = 256,
        pace: Pace | None = None,
        limit: QueueLimit | None = None,
    ) -> None:
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._queue_timeout = queue_timeout
        self._max_answers = max_answers
        self._waiting: dict[Party, None] = {}
        self._of_client: Counter[str] = Counter()
        self._pace = pace or Pace(max_concurrency)
        self.limit = limit or QueueLimit()
        self.running = 0

    @property
    def waiting(self) -> int:
        """Returns how many sequences wait that are not of the background."""
        return sum(len(party.waiting) for party in self._in_queue)

    @property
    def _in_queue(self) -> list[Party]:
        return [party for party in self._waiting if not party.background]

    def check_answers(self, sequences: int) -> None:
        """Raises InvalidValue for more answers than one request may have."""
        if sequences > self._max_answers:
            raise InvalidValue(
                f"the request wants {sequences} answers, prompts times n; "
                f"allowed are at most {self._max_answers}",
                param="n",
            )

    def check_room(self, client: str) -> None:
        """Raises Overloaded where `admit` will: before a request costs any work."""
        queue = self._in_queue
        if (queue or self.running >= self._max_concurrency) and self._is_full(client, queue, 1):
            self._greediest(client, queue, 1)

    def admit(self, client: str, sequences: int, *, background: bool = False) -> Party:
        """Returns the party of a request, which may wait. Raises Overloaded, not for the
        background."""
        if background:
            return Party(client, background=True)
        queue = self._in_queue
        free = 0 if queue else self._max_concurrency - self.running
        needed = min(sequences, self._max_concurrency)
        if needed > free and self._is_full(client, queue, needed - free):
            self._make_room(client, queue, needed - free)
        return Party(client, patience=self._short_limit(client, queue))

    @asynccontextmanager
    async def slot(self, party: Party, *, patient: bool = False) -> AsyncIterator[None]:
        """Hold a slot of the engine during the block.

        Raises QueueTimeout after waiting too long, unless `patient` or of the background;
        Overloaded where the party had to make room for others.
        """
        if self._waiting or self.running >= self._max_concurrency:
            most = min(self._queue_timeout, party.patience)
            await self._wait(party, None if patient or party.background else most)
        else:
            self._grant(party)
        try:
            yield
        finally:
            self._give_back(party)

    def _is_full(self, client: str, queue: list[Party], sequences: int) -> bool:
        """Returns whether the queue is too long for so many more, by its length or its time."""
        if len(queue) >= self._max_queue:
            return True
        short = self._short_limit(client, queue)
        limit = self.limit.most if short is None else short
        return self._pace.wait(self.waiting + sequences) > limit

    def _short_limit(self, client: str, queue: list[Party]) -> float | None:
        """Returns that of a queue that stands, None where the client need not heed it: another one
        has more places, and this one gets the next."""
        held = self._of_client[client] + sum(party.client == client for party in queue)
        if max(self._of_client.values(), default=0) > held + 1:
            return None
        return self.limit.short

    def _greediest(self, client: str, queue: list[Party], sequences: int) -> str:
        """Returns the client that has most requests in the `queue`.

        Raises Overloaded where that is not more than `client` has.
        """
        requests = Counter(party.client for party in queue if not party.running)
        ((greediest, count),) = requests.most_common(1) or [(client, 0)]
        if count <= requests[client] + 1:
            raise self._refusal(queue, sequences)
        return greediest

    def _refusal(self, queue: list[Party], sequences: int) -> Overloaded:
        self.limit.note_refusal(self._pace.wait(sequences))
        return Overloaded(
            f"{self.running} sequences are running and {len(queue)} requests are waiting; "
            f"at most {self._max_concurrency} may run and {self._max_queue} may wait, none for "
            f"longer than {self.limit.seconds:.3g} seconds",
            retry_after=self._pace.seconds_for(self.waiting + sequences),
        )

    def _make_room(self, client: str, queue: list[Party], sequences: int) -> None:
        """End the newest request in the `queue` of the client that has most of them there.

        Raises Overloaded where `client` has as many.
        """
        greediest = self._greediest(client, queue, sequences)
        refusal = self._refusal(queue, sequences)
        newest = next(
            party for party in reversed(queue) if party.client == greediest and not party.running
        )
        for turn in newest.waiting:
            if not turn.done():
                turn.set_exception(refusal)
        newest.waiting.clear()
        self._forget_idle(newest)

    def _too_late(self, party: Party, limit: float | None) -> Overloaded | QueueTimeout:
        if limit == party.patience:
            return self._refusal(self._in_queue, 1)
        return QueueTimeout(
            f"no place in the engine within {limit:g} seconds",
            retry_after=self._pace.seconds_for(self.waiting),
        )

    async def _wait(self, party: Party, limit: float | None) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        party.waiting.append(turn)
        self._waiting.setdefault(party)
        self._note_queue()
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(turn)
        except TimeoutError:
            error = self._too_late(party, limit)
            self._leave(party, turn)
            raise error from None
        except BaseException:
            self._leave(party, turn)
            raise

    def _leave(self, party: Party, turn: "asyncio.Future[None]") -> None:
        """Give up waiting; a slot that was granted in the same instant goes to the next."""
        if not turn.done():
            turn.cancel()
            party.waiting.remove(turn)
            self._forget_idle(party)
            self._admit()
        elif turn.exception() is None:
            self._give_back(party)

    def _forget_idle(self, party: Party) -> None:
        if not party.waiting:
            self._waiting.pop(party, None)
            self._note_queue()

    def _note_queue(self) -> None:
        self.limit.note_queue(waits=any(not party.background for party in self._waiting))

    def _grant(self, party: Party) -> None:
        if not party.background:
            self.limit.note_place(self._pace.wait(1))
        self.running += 1
        party.running += 1
        self._of_client[party.client] += 1
        if self.running == self._max_concurrency:
            self._pace.begin()

    def _give_back(self, party: Party) -> None:
        self.running -= 1
        party.running -= 1
        self._of_client[party.client] -= 1
        if not self._of_client[party.client]:
            del self._of_client[party.client]
        if self._waiting:
            self._pace.count()
        else:
            self._pace.stop()
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.running < self._max_concurrency:
            party = min(
                self._waiting,
                key=lambda each: (each.background, self._of_client[each.client], each.running),
            )
            self._grant(party)
            party.waiting.popleft().set_result(None)
            self._forget_idle(party)
