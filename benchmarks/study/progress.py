"""What a person sees of a running study: a line for each thing that happens."""

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from benchmarks.study.manifest import FINISHED, CellEntry, Status
from benchmarks.words import counted, readable_time


class StudyProgress:
    """Prints each line with the time of day, as for a log; by default to stderr."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output

    def note(self, sentence: str) -> None:
        stamp = time.strftime("%H:%M:%S")
        print(f"{stamp} {sentence}", file=self._output or sys.stderr, flush=True)

    def cells(self, entries: Sequence[CellEntry], seconds_left: float) -> None:
        done = sum(entry.status in FINISHED for entry in entries)
        if done < len(entries):
            left = readable_time(seconds_left)
            self.note(f"{done} of {counted(len(entries), 'cell')} done, about {left} left")

    def phase(self, cell: str, what: str) -> None:
        self.note(f"{cell}: {what}")

    def client(self, line: str) -> None:
        self.note(f"  {line}")

    def finished(self, entry: CellEntry) -> None:
        taken = f" in {readable_time(entry.seconds)}" if entry.seconds is not None else ""
        reason = f": {entry.reason}" if entry.reason else ""
        self.note(f"{entry.id}: {entry.status}{taken}{reason}")
        for line in entry.log if entry.status is Status.FAILED else ():
            self.note(f"  | {line}")
