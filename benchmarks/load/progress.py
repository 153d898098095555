"""What a person sees of a run while it goes."""

import sys
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.load.run import ProgressReport
from benchmarks.load.spec import Spec


class WindowLines:
    """Takes the reports of all processes. Prints a line for a window, to stderr, when each has
    reported on it: of chunks, not tokens, which are known when an answer has ended."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._reports: defaultdict[int, list[ProgressReport]] = defaultdict(list)
        self._chunks = 0

    def __call__(self, report: ProgressReport) -> None:
        reports = self._reports[report.window]
        reports.append(report)
        if len(reports) == self._spec.procs:
            del self._reports[report.window]
            at = (report.window + 1) * self._spec.window
            line = f"{at:6.1f} s of {self._spec.duration:g}: {self._sentence(reports)}"
            print(line, file=sys.stderr, flush=True)

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
