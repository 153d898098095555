"""What a person sees of a run while it goes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.load.glance import Glance
from benchmarks.load.spec import Spec


class Windows:
    """Shows a window when each process has told of it: the seconds since the start, and a sentence
    of chunks, not tokens: those are known when an answer has ended."""

    def __init__(self, spec: Spec, show: Callable[[float, str], None]) -> None:
        self._spec = spec
        self._show = show
        self._told: defaultdict[int, list[Glance]] = defaultdict(list)
        self._chunks = 0

    def __call__(self, glance: Glance) -> None:
        told = self._told[glance.window]
        told.append(glance)
        if len(told) == self._spec.procs:
            del self._told[glance.window]
            self._show((glance.window + 1) * self._spec.window, self._sentence(told))

    def _sentence(self, told: Sequence[Glance]) -> str:
        chunks = sum(one.chunks for one in told)
        rate = (chunks - self._chunks) / self._spec.window
        self._chunks = chunks
        bad = sum(one.bad for one in told)
        failed = f", {bad} failed" if bad else ""
        return (
            f"{sum(one.flying for one in told)} in flight, {rate:,.0f} chunks/s, "
            f"{sum(one.well for one in told)} answered{failed}"
        )


@contextmanager
def shown(spec: Spec, console: Console) -> Iterator[Windows]:
    """A bar on a terminal, a line for each window elsewhere."""
    if not console.is_terminal:
        yield Windows(spec, partial(_line, spec, console))
        return
    columns = (BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=spec.duration)

        def show(at: float, sentence: str) -> None:
            bar.update(task, completed=min(at, spec.duration), description=sentence)

        yield Windows(spec, show)


def _line(spec: Spec, console: Console, at: float, sentence: str) -> None:
    line = f"{at:6.1f} s of {spec.duration:g}: {sentence}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
