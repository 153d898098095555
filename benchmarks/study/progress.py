"""What a person sees of a running study: a live display, or lines where there is no terminal."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmarks.study.manifest import FINISHED, CellEntry, Status
from benchmarks.words import counted, readable_time

COLOURS = {Status.OK: "green", Status.VOID: "yellow", Status.FAILED: "red", Status.STOPPED: "red"}


class StudyProgress(Protocol):
    """Shows a person what the runner does."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def note(self, sentence: str) -> None: ...

    def cells(self, entries: Sequence[CellEntry], seconds_left: float) -> None: ...

    def phase(self, cell: str, what: str) -> None: ...

    def client(self, line: str) -> None: ...

    def finished(self, entry: CellEntry) -> None: ...


def outcome(entry: CellEntry) -> str:
    """Returns one line of what came of a cell."""
    taken = f" in {readable_time(entry.seconds)}" if entry.seconds is not None else ""
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.id}: {entry.status}{taken}{reason}"


class ProgressLines:
    """Prints one line for each thing that happens, with the time of day, as for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, sentence: str) -> None:
        self._say(sentence)

    def cells(self, entries: Sequence[CellEntry], seconds_left: float) -> None:
        done = sum(entry.status in FINISHED for entry in entries)
        if done < len(entries):
            left = readable_time(seconds_left)
            self._say(f"{done} of {counted(len(entries), 'cell')} done, about {left} left")

    def phase(self, cell: str, what: str) -> None:
        self._say(f"{cell}: {what}")

    def client(self, line: str) -> None:
        self._say(f"  {line}")

    def finished(self, entry: CellEntry) -> None:
        self._say(outcome(entry))
        for line in entry.log if entry.status is Status.FAILED else ():
            self._say(f"  | {line}")

    def _say(self, text: str) -> None:
        stamp = time.strftime("%H:%M:%S")
        self._console.print(f"{stamp} {text}", markup=False, highlight=False, soft_wrap=True)


class ProgressDisplay:
    """Draws on a terminal."""

    def __init__(self, console: Console) -> None:
        self._entries: Sequence[CellEntry] = ()
        self._left_at = (0.0, time.monotonic())
        self._cell = self._phase = self._line = ""
        self._since = time.monotonic()
        # Last: it draws at once.
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=2)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def note(self, sentence: str) -> None:
        self._live.console.print(escape(sentence), highlight=False)

    def cells(self, entries: Sequence[CellEntry], seconds_left: float) -> None:
        self._entries = entries
        self._left_at = (seconds_left, time.monotonic())

    def phase(self, cell: str, what: str) -> None:
        self._cell, self._phase, self._line = cell, what, ""
        self._since = time.monotonic()

    def client(self, line: str) -> None:
        self._line = line

    def finished(self, entry: CellEntry) -> None:
        colour = COLOURS.get(entry.status, "default")
        self._live.console.print(f"[{colour}]{escape(outcome(entry))}[/]", highlight=False)
        for line in entry.log if entry.status is Status.FAILED else ():
            self._live.console.print(f"[dim]  | {escape(line)}[/]", highlight=False)

    def _render(self) -> RenderableType:
        done = sum(entry.status in FINISHED for entry in self._entries)
        left, at = self._left_at
        remaining = max(left - (time.monotonic() - at), 0)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            f"{done} of {counted(len(self._entries), 'cell')}",
            ProgressBar(total=max(len(self._entries), 1), completed=done, width=30),
            f"about {readable_time(remaining)} left",
        )
        now = Text.assemble((self._cell, "bold"), " ", self._phase)
        now.append(f" ({readable_time(time.monotonic() - self._since)})", "dim")
        return Group(head, now, Text(self._line, "cyan", overflow="ellipsis", no_wrap=True))


def progress(console: Console) -> StudyProgress:
    """Returns a display for a terminal, else lines."""
    make: Callable[[Console], StudyProgress] = (
        ProgressDisplay if console.is_terminal else ProgressLines
    )
    return make(console)
