"""LMDeploy's generators, each in a task of its own, which all end when LMDeploy has died."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from common.errors import EngineDead, InternalError, ServiceError
from common.models.adapters import Adapter
from services._lmdeploy.config import one_line
from services._lmdeploy.request import client_error, restore_ends, tell_lack_of_memory

POLL_SECONDS = 0.25
CLOSE_SECONDS = 1.0
NO_REASON = "LMDeploy ended the generation without a reason"

logger = logging.getLogger("bentoml.llm.lmdeploy")


class Streams:
    """The generations of one `AsyncEngine`.

    Its `generate` swallows the cancelling of the task that awaits it, and with TurboMind ends as
    if the answer were complete. So nobody reads on where a task of this class was cancelled.
    """

    def __init__(self, llm: Any) -> None:
        self.dead = ""
        """The reason why LMDeploy generates no more, for good; empty while it does."""
        without_text(llm.tokenizer)
        tell_lack_of_memory(llm)
        self._llm = llm
        self._open: dict[asyncio.Task[None], asyncio.Queue[Any]] = {}
        self._watching = asyncio.create_task(self._watch())

    async def outputs(
        self, prompt_ids: Sequence[int], config: Any, adapter: Adapter | None = None
    ) -> AsyncGenerator[Any, None]:
        """Yield each GenOut, to the one with a finish reason. Raises ServiceError."""
        if self.dead:
            raise EngineDead(self.dead)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        session = self._llm.session_mgr.get()
        task = asyncio.create_task(self._fill(queue, session, prompt_ids, config, adapter))
        self._open[task] = queue
        task.add_done_callback(self._open.pop)
        try:
            while True:
                item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                yield item
                if item.finish_reason is not None:
                    return
        finally:
            task.cancel()
            # LMDeploy forgets it where a request is cancelled while it waits for a handle.
            self._llm.session_mgr.remove(session)

    async def close(self) -> None:
        """End what runs; each task has CLOSE_SECONDS to abort in the engine."""
        self._end("LMDeploy was stopped")
        tasks = [self._watching, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    async def _fill(
        self,
        queue: asyncio.Queue[Any],
        session: Any,
        prompt_ids: Sequence[int],
        config: Any,
        adapter: Adapter | None,
    ) -> None:
        """Put outputs into the queue; an exception is the last unless the answer is complete."""
        try:
            request = await self._llm.preprocess(
                None,
                session,
                gen_config=config,
                input_ids=list(prompt_ids),
                do_preprocess=False,
                adapter_name=None if adapter is None else adapter.key,
            )
            restore_ends(request.gen_config, config)
            task = asyncio.current_task()
            assert task is not None
            async with aclosing(self._llm.generate(request)) as outputs:
                async for output in outputs:
                    # The PyTorch engine goes on when asyncio.wait_for swallows the cancelling.
                    if task.cancelling():
                        break
                    queue.put_nowait(output)
        except Exception as error:
            queue.put_nowait(client_error(error) or await self._failure(error))
        else:
            queue.put_nowait(InternalError(NO_REASON))

    async def _failure(self, error: Exception) -> ServiceError:
        """LMDeploy says "unavailable" of a malformed request too: its health decides."""
        reason = await self.unhealthy()
        if reason:
            self._end(reason)
            return EngineDead(reason)
        return InternalError(f"LMDeploy failed: {one_line(error)}")

    async def _watch(self) -> None:
        """End all soon; LMDeploy itself ends who waits for a dead PyTorch engine after 1 to 2 s."""
        while not self.dead:
            await asyncio.sleep(POLL_SECONDS)
            reason = await self.unhealthy()
            if reason:
                self._end(reason)

    async def unhealthy(self) -> str:
        """Returns why the engine is of no more use, empty while it is.

        Lack of progress is no reason: a client that does not read its answer causes it.
        """
        try:
            probe = await self._llm.health_probe(scheduler_stall_timeout=math.inf)
        except Exception as error:
            logger.exception("LMDeploy's health probe failed")
            return f"LMDeploy's health probe failed: {one_line(error)}"
        return str(probe["message"]) if probe["status"] == "unhealthy" else ""

    def _end(self, reason: str) -> None:
        self.dead = self.dead or reason
        for queue in self._open.values():
            queue.put_nowait(EngineDead(self.dead))


def without_text(tokenizer: Any) -> None:
    """Stop LMDeploy from decoding ids, which takes 14 µs of the event loop per token."""

    def no_text(
        all_input_ids: Sequence[int],
        state: Any,
        skip_special_tokens: bool = True,
        spaces_between_special_tokens: bool = True,
    ) -> tuple[str, Any]:
        state.ids_offset = len(all_input_ids)
        return "", state

    tokenizer.detokenize_incrementally = no_text
