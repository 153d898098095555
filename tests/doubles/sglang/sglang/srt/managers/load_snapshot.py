"""How full the scheduler is, in a small shared file."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

SLOT = struct.Struct("d")


@dataclass
class LoadSnapshot:
    token_usage: float = 0.0


class ShmLoadSnapshotWriter:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)

    def write(self, load: LoadSnapshot) -> None:
        os.pwrite(self._file, SLOT.pack(load.token_usage), 0)


class ShmLoadSnapshotReader:
    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read_all(self) -> list[LoadSnapshot]:
        data = self._path.read_bytes() if self._path.exists() else b""
        return [LoadSnapshot(*SLOT.unpack(data))] if len(data) == SLOT.size else []
