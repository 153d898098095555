"""The batches of a service: run in the background, and gone on with after a restart."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import orjson

from common.batches.answers import Answer, expire, read_answers, resume, succeeded
from common.batches.lines import Fault, check_lines, read_lines
from common.batches.run import AHEAD, Run
from common.batches.store import PURPOSE, Batch, Store, StoredFile
from common.errors import InvalidValue
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.batches")

AT_ONCE = 8
"""Batches that are run at once; others wait for their turn."""


class Batches:
    """Runs each batch in a task of its own; all share the places for lines.

    `client` returns a client of this service's API for the owner of a batch.
    """

    def __init__(
        self, store: Store, settings: Settings, client: Callable[[str | None], httpx.AsyncClient]
    ) -> None:
        self.store = store
        self.settings = settings
        self._client = client
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._places = asyncio.Semaphore(settings.batch_concurrency)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def waiting_lines(self) -> int:
        """Returns how many lines of batches, once these are checked, have no answer yet."""
        unfinished = self.store.unfinished()
        return sum(each.total - each.completed - each.failed for each in unfinished)

    def start(self) -> None:
        """Go on with what an earlier process has left."""
        for batch in self.store.unfinished():
            self._begin(batch)

    async def pause(self) -> None:
        """Leave the batches as they are, for the next start; lines under way are given up."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Leave the batches, and their directory to the next service."""
        await self.pause()
        self.store.close()

    def create(self, file: StoredFile, endpoint: str, metadata: dict[str, str] | None) -> Batch:
        """Returns the new batch, whose lines are checked before any is run.

        Raises InvalidValue for a file that is no file of requests.
        """
        if file.purpose != PURPOSE:
            raise InvalidValue(
                f"the purpose of the file has to be {PURPOSE!r}, not {file.purpose!r}",
                param="input_file_id",
            )
        now = int(time.time())
        batch = Batch(f"batch_{uuid.uuid4().hex}", file.owner, file.id, endpoint, metadata, now)
        self.store.save(batch)
        self._begin(batch)
        return batch

    def cancel(self, batch: Batch) -> None:
        """End a batch; the answers so far stay. Raises InvalidValue for one that ends anyway."""
        if batch.status not in ("validating", "in_progress"):
            raise InvalidValue(f"the batch cannot be cancelled: it is {batch.status}")
        batch.enter("cancelling")
        self.store.save(batch)
        self._tasks[batch.id].cancel()

    def uses(self, file: StoredFile) -> bool:
        """Returns whether a batch that has not ended reads the file."""
        return any(each.input_file_id == file.id for each in self.store.unfinished())

    def _begin(self, batch: Batch) -> None:
        task = asyncio.create_task(self._work(batch))
        self._tasks[batch.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(batch.id, None))

    async def _work(self, batch: Batch) -> None:
        try:
            await self._run(batch)
            if batch.status != "failed":
                await self._finish(batch)
        except Exception as error:
            logger.exception("batch %s failed", batch.id)
            batch.refuse([Fault("internal_error", None, f"{type(error).__name__}; see the log")])
            self._enter(batch, "failed")
        logger.info("batch %s is %s", batch.id, batch.status)

    async def _run(self, batch: Batch) -> None:
        """Return when the batch has failed, or when its answers can become files."""
        try:
            async with self._turns:
                if batch.status == "validating":
                    await self._check(batch)
                if batch.status == "in_progress":
                    await self._answer(batch)
        except asyncio.CancelledError:
            if batch.status != "cancelling":
                raise

    async def _check(self, batch: Batch) -> None:
        file = self.store.content(batch.input_file_id)
        checked = await asyncio.to_thread(
            check_lines, file, self.settings.max_batch_lines, batch.endpoint
        )
        batch.total = checked.lines
        if checked.faults:
            batch.refuse(checked.faults)
        self._enter(batch, "failed" if checked.faults else "in_progress")

    async def _answer(self, batch: Batch) -> None:
        lines = read_lines(self.store.content(batch.input_file_id))
        answers, ahead = self.store.answers(batch.id), AHEAD * self.settings.batch_concurrency
        progress = await asyncio.to_thread(resume, answers, lines)
        batch.count(progress)
        with answers.open("ab") as written:

            def write(answer: Answer) -> None:
                nonlocal progress
                written.write(orjson.dumps(answer) + b"\n")
                written.flush()
                progress = progress.plus(answer)
                batch.count(progress)

            try:
                async with (
                    asyncio.timeout(batch.expires_at - time.time()),
                    self._client(batch.owner) as client,
                ):
                    await Run(client, self._places, ahead).run(lines, write)
            except TimeoutError:
                batch.expire()
        self._enter(batch, "finalizing")

    async def _finish(self, batch: Batch) -> None:
        """Make the files of successes and of errors, each only if it has lines."""
        if batch.has_expired:
            lines = read_lines(self.store.content(batch.input_file_id))
            answered = self.store.answers(batch.id)
            batch.count(await asyncio.to_thread(expire, answered, lines))
        kinds = (("output", True, "output_file_id"), ("errors", False, "error_file_id"))
        answers = self.store.answers(batch.id)
        for name, good, attribute in kinds:
            file_id = f"file-{batch.id}-{name}"
            content = self.store.content(file_id)
            size = await asyncio.to_thread(_copy, read_answers(answers), content, good=good)
            if size:
                created, filename = int(time.time()), f"{batch.id}_{name}.jsonl"
                self.store.keep(
                    StoredFile(file_id, batch.owner, filename, "batch_output", size, created)
                )
                setattr(batch, attribute, file_id)
        good_end = "expired" if batch.has_expired else "completed"
        self._enter(batch, "cancelled" if batch.status == "cancelling" else good_end)
        with suppress(FileNotFoundError):
            answers.unlink()

    def _enter(self, batch: Batch, status: str) -> None:
        batch.enter(status)
        self.store.save(batch)


def _copy(answers: Iterator[Answer], file: Path, *, good: bool) -> int:
    """Returns how many bytes of answers of that kind the file has; without any there is none."""
    with file.open("wb") as written:
        for answer in answers:
            if succeeded(answer) == good:
                written.write(orjson.dumps(answer) + b"\n")
    size = file.stat().st_size
    if not size:
        file.unlink()
    return size
