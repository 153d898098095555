"""Readings gathered as series."""

import threading
from typing import NamedTuple

from benchmarks.results.schema import Series, Source

MAX_SERIES = 1000
"""An engine that labels by request would otherwise fill the memory."""
COMPLETE_SOURCES = ("gpu", "process", "client")
"""They have few series, of which means are taken; each point is kept."""


class SeriesKey(NamedTuple):
    """Distinguishes a series; `labels` are pairs of a name and a value."""

    source: Source
    name: str
    unit: str
    labels: tuple[tuple[str, str], ...] = ()


Reading = tuple[SeriesKey, float]


class Recorder:
    """Keeps readings by series. It is safe to use from several threads."""

    def __init__(self) -> None:
        self._points: dict[SeriesKey, list[tuple[float, float]]] = {}
        self._lock = threading.Lock()
        self._warnings: dict[str, None] = {}

    def add(self, at: float, readings: list[Reading]) -> None:
        """Adds readings that were taken `at` a time of time.monotonic, in seconds."""
        with self._lock:
            for key, value in readings:
                if key not in self._points and len(self._points) >= MAX_SERIES:
                    self.warn(f"more than {MAX_SERIES} series: some were left out")
                    continue
                self._points.setdefault(key, []).append((at, value))

    def warn(self, sentence: str) -> None:
        """Keeps the sentence once, however often it is added."""
        self._warnings[sentence] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def series(self) -> list[Series]:
        """Returns all series, with the times of time.monotonic.

        Of a value of /metrics that never changed, the first and the last point are kept.
        """
        with self._lock:
            return [
                Series(
                    source=key.source,
                    name=key.name,
                    unit=key.unit,
                    labels=dict(key.labels),
                    points=tuple(points if key.source in COMPLETE_SOURCES else _ends(points)),
                )
                for key, points in self._points.items()
            ]


def _ends(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the two ends of points with equal values, and other points as they are."""
    constant = all(value == points[0][1] for _, value in points)
    return [points[0], points[-1]] if constant and len(points) > 2 else points
