"""Files and batches on disk, each with the name of the key that made it."""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson

from common.batches.answers import Progress
from common.batches.lines import Fault
from common.errors import NotFound, StartError

PURPOSE = "batch"
"""That of a file of requests."""
ENDED = ("completed", "failed", "expired", "cancelled")
WINDOW = 24 * 3600
"""Seconds that a batch may take, OpenAI's only value."""


@dataclass
class StoredFile:
    """`owner` is the name of a key, None where none is needed."""

    id: str
    owner: str | None
    filename: str
    purpose: str
    size: int
    created_at: int


@dataclass
class Batch:
    """`times` has the second of each status by its name, `errors` what is wrong with its lines."""

    id: str
    owner: str | None
    input_file_id: str
    endpoint: str
    metadata: dict[str, str] | None
    created_at: int
    status: str = "validating"
    times: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def expires_at(self) -> int:
        return self.created_at + WINDOW

    @property
    def has_expired(self) -> bool:
        """Returns whether it has been broken off, because its time was over."""
        return "expired" in self.times

    def expire(self) -> None:
        """Have the lines without an answer end with an error."""
        self.times["expired"] = int(time.time())

    def enter(self, status: str) -> None:
        self.status = status
        self.times[status] = int(time.time())

    def count(self, progress: Progress) -> None:
        self.completed, self.failed = progress

    def refuse(self, faults: list[Fault]) -> None:
        self.errors = [fault._asdict() for fault in faults]


Kept = TypeVar("Kept", StoredFile, Batch)


class Store:
    """A folder that belongs to one service at a time; what is in it is written whole or not."""

    def __init__(self, folder: Path) -> None:
        """Raises StartError if the folder cannot be used, or is in use."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("wb")
        except OSError as error:
            raise StartError(f"batch_dir {folder} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise StartError(f"batch_dir {folder} is in use by another service") from None
        try:
            self._files = {each.id: each for each in _read_all(folder, "file-*", StoredFile)}
            self._batches = {each.id: each for each in _read_all(folder, "batch_*", Batch)}
        except StartError:
            self._lock.close()
            raise

    def close(self) -> None:
        self._lock.close()

    def content(self, file_id: str) -> Path:
        return self._folder / f"{file_id}.jsonl"

    def answers(self, batch_id: str) -> Path:
        """Returns the file of the answers so far."""
        return self._folder / f"{batch_id}.jsonl"

    def file(self, file_id: str, owner: str | None) -> StoredFile:
        """Raises NotFound, also for a file of another owner."""
        return _own(self._files, file_id, owner, "file")

    def batch(self, batch_id: str, owner: str | None) -> Batch:
        """Raises NotFound, also for a batch of another owner."""
        return _own(self._batches, batch_id, owner, "batch")

    def files(self, owner: str | None) -> list[StoredFile]:
        """Returns the files of an owner, newest first."""
        return _newest(self._files, owner)

    def batches(self, owner: str | None) -> list[Batch]:
        """Returns the batches of an owner, newest first."""
        return _newest(self._batches, owner)

    def unfinished(self) -> list[Batch]:
        return [each for each in self._batches.values() if not each.ended]

    def add_file(
        self, owner: str | None, filename: str, purpose: str, source: BinaryIO
    ) -> StoredFile:
        """Returns the new file, with all that can be read from `source`."""
        file_id = f"file-{uuid.uuid4().hex}"
        path = self.content(file_id)
        try:
            with path.open("wb") as written:
                shutil.copyfileobj(source, written)
        except OSError:
            path.unlink()
            raise
        size = path.stat().st_size
        return self.keep(StoredFile(file_id, owner, filename, purpose, size, int(time.time())))

    def keep(self, file: StoredFile) -> StoredFile:
        """Note a file whose content is there."""
        self._write(file.id, asdict(file))
        self._files[file.id] = file
        return file

    def delete_file(self, file: StoredFile) -> None:
        del self._files[file.id]
        (self._folder / f"{file.id}.json").unlink()
        self.content(file.id).unlink()

    def save(self, batch: Batch) -> None:
        self._write(batch.id, asdict(batch))
        self._batches[batch.id] = batch

    def _write(self, name: str, value: dict[str, Any]) -> None:
        new = self._folder / f"{name}.new"
        new.write_bytes(orjson.dumps(value))
        os.replace(new, self._folder / f"{name}.json")


def _read_all(folder: Path, names: str, kind: type[Kept]) -> Iterator[Kept]:
    """Raises StartError for a file that something else has changed."""
    for file in folder.glob(f"{names}.json"):
        try:
            yield kind(**orjson.loads(file.read_bytes()))
        except (orjson.JSONDecodeError, TypeError):
            raise StartError(f"{file} is damaged: remove it, and what belongs to it") from None


def _own(known: dict[str, Kept], name: str, owner: str | None, kind: str) -> Kept:
    record = known.get(name)
    if record is None or record.owner != owner:
        raise NotFound(f"there is no {kind} of that id")
    return record


def _newest(known: Mapping[str, Kept], owner: str | None) -> list[Kept]:
    # Other threads add to it meanwhile.
    own = [each for each in list(known.values()) if each.owner == owner]
    return sorted(own, key=lambda each: each.created_at)[::-1]
