"""Readings gathered as series."""

import threading
from typing import NamedTuple

from benchmarks.results.schema import Series, Source

MOST_SERIES = 1000
"""An engine that labels by request would otherwise fill the memory."""


WHOLE = ("gpu", "process", "client")
"""Few series, of which means are taken."""


class Key(NamedTuple):
    """What tells one series from another; `labels` as pairs."""

    source: Source
    name: str
    unit: str
    labels: tuple[tuple[str, str], ...] = ()


Reading = tuple[Key, float]


class Recorder:
    """Keeps readings by series. Safe to use from several threads."""

    def __init__(self) -> None:
        self._points: dict[Key, list[tuple[float, float]]] = {}
        self._lock = threading.Lock()
        self._warnings: dict[str, None] = {}

    def add(self, at: float, readings: list[Reading]) -> None:
        """`at` is by time.monotonic."""
        with self._lock:
            for key, value in readings:
                if key not in self._points and len(self._points) >= MOST_SERIES:
                    self.warn(f"more than {MOST_SERIES} series: some were left out")
                    continue
                self._points.setdefault(key, []).append((at, value))

    def warn(self, sentence: str) -> None:
        """Once, however often it is said."""
        self._warnings[sentence] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def series(self) -> list[Series]:
        """By time.monotonic; of a page's value that never changed, the two ends are kept."""
        with self._lock:
            return [
                Series(
                    source=key.source,
                    name=key.name,
                    unit=key.unit,
                    labels=dict(key.labels),
                    points=tuple(points) if key.source in WHOLE else _thinned(points),
                )
                for key, points in self._points.items()
            ]


def _thinned(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    if len(points) > 2 and all(value == points[0][1] for _, value in points):
        return (points[0], points[-1])
    return tuple(points)
