"""The cells of a study, one after the other: start, wait, load, stop, and keep what came of it."""

import errno
import shutil
import time
from asyncio import CancelledError
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.load.sweep_text import answer
from benchmarks.quality.tasks import QualitySpec
from benchmarks.results import files
from benchmarks.results.schema import Outcome, Subject
from benchmarks.study import client, endpoint, estimate
from benchmarks.study.cell import LoadCell, QualityCell, StudyCell
from benchmarks.study.client import PROGRAM, ClientRun, LoadClientFailed
from benchmarks.study.manifest import CELLS, CellEntry, Manifest, Status, save
from benchmarks.study.progress import StudyProgress
from benchmarks.study.reading import StudyPlan
from benchmarks.study.service import Service, ServiceFailed
from common.models.model import DEMO_MODEL

SERVER_LOG = "server.log"
DISK_NEEDED = 2**20
"""Bytes: with less, what failed did so for want of room."""


class LeftBehind(Exception):
    """A stopped service left something behind: what is measured next would be wrong."""


class Runner:
    """Measures `todo`, and writes the manifest to `out` after each step.

    `program` is the command line of the load client; services are pinned to `core`.
    """

    def __init__(
        self,
        plan: StudyPlan,
        manifest: Manifest,
        todo: Sequence[StudyCell],
        out: Path,
        progress: StudyProgress,
        program: Sequence[str] = PROGRAM,
        core: int | None = None,
    ) -> None:
        self._plan = plan
        self._entries = {entry.id: entry for entry in manifest.cells}
        self._manifest = manifest
        self._blocks = estimate.blocks(todo, share_service=plan.study.share_service)
        self._out = out
        self._progress = progress
        self._program = program
        self._core = core
        self._started = False

    async def run(self) -> None:
        """Measures all. Raises OSError when nothing can be written any more, and LeftBehind."""
        save(self._out, self._manifest)
        while self._blocks:
            self._tell()
            block = self._blocks[0]
            try:
                await self._block(block)
            except CancelledError:
                for cell in block:
                    if self._entries[cell.id].status is Status.RUNNING:
                        self._set(cell, status=Status.STOPPED, reason="the study was interrupted")
                raise
            if not block:
                self._blocks.pop(0)

    async def _block(self, block: list[StudyCell]) -> None:
        """Measures cells of one start, which are taken from `block` as they end; those that are
        left need another start, since the service died."""
        self._started = False
        self._begin(block[0])
        if block[0].target.url is not None:
            await self._on_endpoint(block)
            return
        log, timeout = self._folder(block[0]) / SERVER_LOG, self._plan.study.start_timeout
        service = Service(block[0], log, timeout, self._core)
        try:
            await self._on_service(service, block)
        finally:
            self._progress.phase(service.cell.id, "stopping")
            left = await service.stop()
            for sentence in left:
                self._progress.note(f"warning: {service.cell.id} is stopped: {sentence}")
        if left:
            raise LeftBehind(f"{service.cell.id} left something behind: {'; '.join(left)}")

    async def _on_endpoint(self, block: list[StudyCell]) -> None:
        cell = block[0]
        url = str(cell.target.url).rstrip("/")
        self._progress.phase(cell.id, f"waiting for {url}")
        try:
            await endpoint.wait_for(
                url, self._plan.study.start_timeout, client.api_key(cell.target)
            )
        except ServiceFailed as error:
            self._fail(block, error)
            return
        metrics = cell.target.metrics_url or f"{url}/metrics"
        await self._measure_all(block, url, metrics, None)

    async def _on_service(self, service: Service, block: list[StudyCell]) -> None:
        self._progress.phase(block[0].id, "starting the service")
        try:
            await service.start()
        except ServiceFailed as error:
            self._fail(block, error)
            return
        self._started = True
        self._set(block[0], start_seconds=round(service.start_seconds, 1))
        await self._measure_all(block, service.url, service.metrics_url, service)

    async def _measure_all(
        self, block: list[StudyCell], url: str, metrics_url: str | None, service: Service | None
    ) -> None:
        for runs_before in range(len(block)):
            cell = block[0]
            card = await endpoint.card(url, cell.model, client.api_key(cell.target))
            if self._entries[cell.id].status is not Status.RUNNING:
                self._begin(cell)
            if service is not None:
                self._set(cell, versions=service.versions)
            model = str(card.get("id") or cell.model.source or cell.model.name)
            known = None if service is None else runs_before
            subject = endpoint.subject(cell, url, card, known)
            run = self._client_run(cell, subject, model, metrics_url, service)
            alive = await self._measure(cell, run, service)
            if service is not None and self._folder(cell) != service.log.parent:
                shutil.copyfile(service.log, self._folder(cell) / SERVER_LOG)
            block.pop(0)
            if not alive:
                return

    def _client_run(
        self,
        cell: StudyCell,
        subject: Subject,
        model: str,
        metrics_url: str | None,
        service: Service | None,
    ) -> ClientRun:
        """Returns what measures the cell, `model` being the endpoint's name of it."""
        folder = self._folder(cell)
        if isinstance(cell, QualityCell):
            tokenizer = cell.model.source or str(DEMO_MODEL)
            tasks = QualitySpec(url=subject.url, model=model, tasks=cell.tasks, tokenizer=tokenizer)
            return client.quality_run(tasks, subject, folder)
        assert isinstance(cell, LoadCell)
        spec = cell.spec.model_copy(
            update={
                "url": subject.url,
                "model": model,
                "metrics_url": metrics_url,
                "pid": None if service is None else service.pid,
            }
        )
        return client.load_run(self._program, cell, spec, subject, folder)

    async def _measure(self, cell: StudyCell, run: ClientRun, service: Service | None) -> bool:
        """Returns whether the service can go on."""
        folder = self._folder(cell)
        self._progress.phase(cell.id, run.phase)
        service_end = None if service is None else service.ended
        begun = time.monotonic()
        try:
            key = client.api_key(cell.target)
            line = self._progress.client
            code = await client.run(run.command, folder, run.seconds, line, service_end, key)
        except LoadClientFailed as error:
            self._seconds(cell, begun)
            if service is not None and not service.runs:
                self._fail([cell], service.failure("in the middle of the run"))
                return False
            self._fail([cell], error)
            return True
        self._seconds(cell, begun)
        if isinstance(cell, QualityCell):
            self._judge_quality(cell)
        elif isinstance(cell, LoadCell) and cell.is_sweep:
            self._judge_sweep(cell, void=code == client.VOID)
        else:
            self._judge(cell, void=code == client.VOID)
        return True

    def _judge_quality(self, cell: QualityCell) -> None:
        """Ends the cell. A task that the endpoint cannot do is told, and is no failure: to try
        again would not help."""
        try:
            tasks = files.read_quality(self._folder(cell)).tasks
        except files.Unreadable as error:
            self._fail([cell], LoadClientFailed(f"the client left no scores: {error}", ()))
            return
        without = [
            f"{task.name} cannot be measured: {task.reason}" for task in tasks if task.reason
        ]
        self._end(cell, Status.OK, "; ".join(without) or None)

    def _judge(self, cell: StudyCell, *, void: bool) -> None:
        folder = self._folder(cell)
        try:
            result = files.read(folder)
        except files.Unreadable as error:
            self._fail([cell], LoadClientFailed(f"the client left no result: {error}", ()))
            return
        outcomes = result.plateau.outcomes
        if outcomes and not outcomes.get(Outcome.OK):
            counts = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
            lines = _first_errors(folder)
            self._fail([cell], LoadClientFailed(f"no request ended well: {counts}", lines))
        elif void:
            self._end(cell, Status.VOID, "; ".join(result.verdict.reasons))
        else:
            self._end(cell, Status.OK, None)

    def _judge_sweep(self, cell: StudyCell, *, void: bool) -> None:
        try:
            sweep = files.read_sweep(self._folder(cell))
        except files.Unreadable as error:
            self._fail([cell], LoadClientFailed(f"the client left no sweep: {error}", ()))
            return
        self._end(cell, Status.VOID if void else Status.OK, answer(sweep))

    def _begin(self, cell: StudyCell) -> None:
        folder = self._folder(cell)
        if folder.exists():  # what an earlier try left
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        fresh: dict[str, Any] = {"start_seconds": None, "seconds": None, "log": (), "versions": {}}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._set(cell, status=Status.RUNNING, reason=None, started_at=at, **fresh)

    def _fail(self, cells: list[StudyCell], error: ServiceFailed | LoadClientFailed) -> None:
        """Notes the failure of all of `cells`, which it empties. Raises OSError when there is no
        room on the disk."""
        if shutil.disk_usage(self._out).free < DISK_NEEDED:
            raise OSError(errno.ENOSPC, "no space left", str(self._out))
        for cell in cells[:]:
            if self._entries[cell.id].status is not Status.RUNNING:
                self._begin(cell)
            self._set(cell, log=error.log)
            self._end(cell, Status.FAILED, str(error))
        cells.clear()

    def _end(self, cell: StudyCell, status: Status, reason: str | None) -> None:
        self._set(cell, status=status, reason=reason)
        self._progress.finished(self._entries[cell.id])
        self._tell()

    def _seconds(self, cell: StudyCell, begun: float) -> None:
        self._set(cell, seconds=round(time.monotonic() - begun, 1))

    def _set(self, cell: StudyCell, **values: Any) -> None:
        self._entries[cell.id] = self._entries[cell.id].model_copy(update=values)
        entries = tuple(self._entries[entry.id] for entry in self._manifest.cells)
        self._manifest = self._manifest.model_copy(update={"cells": entries})
        save(self._out, self._manifest)

    def _tell(self) -> None:
        entries = self._manifest.cells
        done = [e.id for e in entries if e.status not in (Status.PENDING, Status.RUNNING)]
        blocks = [[cell for cell in block if cell.id not in done] for block in self._blocks]
        started = self._started and bool(blocks[:1] and blocks[0])
        left = estimate.seconds([b for b in blocks if b], entries, started=started)
        self._progress.cells(entries, left)

    def _folder(self, cell: StudyCell) -> Path:
        return self._out / CELLS / cell.id

    @property
    def entries(self) -> tuple[CellEntry, ...]:
        return self._manifest.cells


def _first_errors(folder: Path, most: int = 5) -> list[str]:
    """Returns the first different errors of a run's requests."""
    errors: dict[str, None] = {}
    for request in files.requests(folder):
        if request.error is not None:
            errors[f"{request.outcome}: {request.error}"] = None
        if len(errors) == most:
            break
    return list(errors)
