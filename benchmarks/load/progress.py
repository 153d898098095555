"""What a person sees of a run while it goes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.load.run import ProgressReport
from benchmarks.load.spec import Spec


class WindowDisplay:
    """Takes the reports of all processes. Shows a window when each has reported on it: the seconds
    since the start, and a sentence of chunks, not tokens: those are known when an answer has
    ended."""

    def __init__(self, spec: Spec, show: Callable[[float, str], None]) -> None:
        self._spec = spec
        self._show = show
        self._reports: defaultdict[int, list[ProgressReport]] = defaultdict(list)
        self._chunks = 0

    def __call__(self, report: ProgressReport) -> None:
        reports = self._reports[report.window]
        reports.append(report)
        if len(reports) == self._spec.procs:
            del self._reports[report.window]
            self._show((report.window + 1) * self._spec.window, self._sentence(reports))

    def _sentence(self, reports: Sequence[ProgressReport]) -> str:
        chunks = sum(report.chunks for report in reports)
        rate = (chunks - self._chunks) / self._spec.window
        self._chunks = chunks
        failed = sum(report.failed for report in reports)
        return (
            f"{sum(report.in_flight for report in reports)} in flight, {rate:,.0f} chunks/s, "
            f"{sum(report.succeeded for report in reports)} answered"
            + (f", {failed} failed" if failed else "")
        )


@contextmanager
def window_display(spec: Spec, console: Console) -> Iterator[WindowDisplay]:
    """Shows a bar on a terminal, a line for each window elsewhere."""
    if not console.is_terminal:
        yield WindowDisplay(spec, partial(_print_line, spec, console))
        return
    columns = (BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=spec.duration)

        def show(at: float, sentence: str) -> None:
            bar.update(task, completed=min(at, spec.duration), description=sentence)

        yield WindowDisplay(spec, show)


def _print_line(spec: Spec, console: Console, at: float, sentence: str) -> None:
    line = f"{at:6.1f} s of {spec.duration:g}: {sentence}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
