"""What those who run a bento's container have to know: its times, and what to compile first."""

import math

from common.engine import Engine
from common.plan.tables import table
from common.settings import Settings

PROBE_TIMEOUT = 30
"""Seconds: a probe of readiness may generate a token first (common.serving.lifecycle)."""
STOP_MARGIN = 30
"""Seconds in which the engine and its processes end, after the drain."""


def stop_seconds(settings: Settings) -> int:
    """Returns how long it may take from SIGTERM until nothing is left."""
    return math.ceil(settings.drain_timeout) + STOP_MARGIN


def start_seconds(settings: Settings) -> int:
    """Returns how long it may take until the service is ready."""
    return math.ceil(settings.start_timeout)


def runs_compiled(engine: type[Engine]) -> bool:
    """Says whether the engine runs only what was compiled for its GPU."""
    return engine.loads_weights and table(engine.name, engine.title).compiled


def build_command(engine: type[Engine], settings: Settings) -> str | None:
    """Returns the command that compiles what the settings lack, None where they lack nothing."""
    if settings.engine_dir or settings.engine_url or not runs_compiled(engine):
        return None
    rows = table(engine.name, engine.title)
    command = next(str(row.build) for row in rows.schemes if row.name == rows.own_4bit)
    return command.format(model=settings.model or "MODEL")
