"""Sessions, and the handles through which at most `max_batch_size` of them generate at once."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ..core.exceptions import ErrorCode, RequestError, SafeRunException


class Session:
    def __init__(self, session_id: int, session_mgr: "SessionManager", **kwargs: Any) -> None:
        self.session_id = session_id
        self.epoch: int | None = None
        self._session_mgr = session_mgr
        self._handle: Any = None
        self._remove_on_request_exit = False

    @asynccontextmanager
    async def request_handle(self) -> AsyncIterator[Any]:
        """A cut generation ends here: what cut it is not seen by the caller."""
        if self._handle is not None:
            raise RequestError(ErrorCode.REQUEST_CONFLICT)
        pool = self._session_mgr.request_handle_pool
        assert pool is not None
        self._handle = await pool.get()
        try:
            yield self._handle
        except SafeRunException:
            pass
        finally:
            pool.put(self._handle)
            self._handle = None
            if self._remove_on_request_exit:
                self._session_mgr.remove(self)

    async def async_abort(self) -> None:
        if self._handle is not None:
            await self._handle.async_cancel(self.session_id)


class RequestHandlePool:
    def __init__(self, engine: Any, size: int) -> None:
        self.size = size
        self.handles = [engine.create_instance() for _ in range(size)]
        self.pool: asyncio.Queue[Any] | None = None

    async def get(self) -> Any:
        if self.pool is None:
            self.pool = asyncio.Queue()
            for handle in self.handles:
                self.pool.put_nowait(handle)
        return await self.pool.get()

    def put(self, handle: Any) -> None:
        if self.pool is not None:
            self.pool.put_nowait(handle)

    @property
    def num_dispatched(self) -> int:
        return 0 if self.pool is None else self.size - self.pool.qsize()


class SessionManager:
    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.request_handle_pool: RequestHandlePool | None = None
        self._ids = itertools.count()

    def get(
        self, session_id: int | None = None, create_if_not_exists: bool = True, **kwargs: Any
    ) -> Session | None:
        if not create_if_not_exists:
            return None if session_id is None else self.sessions.get(session_id)
        if session_id is None:
            session_id = next(self._ids)
        if session_id not in self.sessions:
            self.sessions[session_id] = Session(session_id, self, **kwargs)
        return self.sessions[session_id]

    async def async_abort_all(self) -> None:
        for session in list(self.sessions.values()):
            await session.async_abort()

    def remove(self, session: Session | int | None) -> None:
        if session is not None:
            self.sessions.pop(session if isinstance(session, int) else session.session_id, None)

    def clear(self) -> None:
        self.sessions.clear()

    def attach_event_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def build_request_handle_pool(self, engine: Any, size: int) -> None:
        self.request_handle_pool = RequestHandlePool(engine, size)
