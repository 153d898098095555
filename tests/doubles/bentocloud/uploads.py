"""Archives as they come in: whole, or in parts."""

import hashlib
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.bentocloud.wire import Refused

LEAST_PART = 5 * 2**20
"""Bytes of a part but the last, as object stores ask for."""


@dataclass
class Upload:
    """One archive. `parts` are those of a multipart upload, by number."""

    folder: Path
    parts: dict[int, str] = field(default_factory=dict)
    open: bool = False
    whole: bool = False

    @property
    def archive(self) -> Path:
        return self.folder / "archive.tar"

    def part(self, number: int) -> Path:
        return self.folder / f"part-{number}"

    async def receive(
        self, chunks: AsyncIterator[bytes], length: int, part: int | None, *, broken: bool
    ) -> str:
        """The ETag of what came; half of it comes when `broken`. Raises Refused."""
        file = self.archive if part is None else self.part(part)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with file.open("wb") as output:
            async for chunk in chunks:
                output.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if broken and size >= length // 2:
                    raise Refused(507, "the storage is full")
        if size != length:
            raise Refused(400, f"{size} bytes came of {length}")
        if part is not None:
            self.parts[part] = digest.hexdigest()
        return digest.hexdigest()

    def complete(self, parts: list[tuple[int, str]]) -> None:
        """Put the parts together. Raises Refused for missing, other or too small ones."""
        numbers = [number for number, _ in parts]
        if sorted(numbers) != list(range(1, len(self.parts) + 1)) or dict(parts) != self.parts:
            raise Refused(
                400, f"InvalidPart: {sorted(self.parts)} came, {sorted(numbers)} are named"
            )
        sizes = [self.part(number).stat().st_size for number in sorted(numbers)]
        if any(size < LEAST_PART for size in sizes[:-1]):
            raise Refused(400, f"EntityTooSmall: {sizes}")
        with self.archive.open("wb") as output:
            for number in sorted(numbers):
                output.write(self.part(number).read_bytes())
                self.part(number).unlink()

    def files(self) -> dict[str, int]:
        """Of the archive, with their sizes; all of it is read. Raises Refused for a part of one."""
        try:
            with tarfile.open(self.archive) as archive:
                found = {}
                for member in archive:
                    stream = archive.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        found[member.name.removeprefix("./")] = len(stream.read())
                return found
        except (tarfile.TarError, OSError) as error:
            raise Refused(400, f"the upload is no whole archive: {error}") from None

    def description(self, name: str) -> dict[str, Any]:
        """The YAML file of the archive that says what it is. Raises Refused."""
        if name not in self.files():
            raise Refused(400, f"the upload has no {name}")
        with tarfile.open(self.archive) as archive:
            stream = archive.extractfile(f"./{name}")
            assert stream is not None
            found: dict[str, Any] = yaml.safe_load(stream)
            return found
