"""How long a container may take, for everything that starts, asks and stops one. Seconds."""

import math

from common.settings import Settings

PROBE = 30
"""A probe of readiness may generate a token first (common.serving.lifecycle.PROBE_TIMEOUT)."""
STOP_MARGIN = 30
"""For the engine and its processes to end, after the drain."""


def stop(settings: Settings) -> int:
    """From SIGTERM until nothing is left."""
    return math.ceil(settings.drain_timeout) + STOP_MARGIN


def start(settings: Settings) -> int:
    return math.ceil(settings.start_timeout)
