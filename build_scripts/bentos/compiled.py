"""Engines that run only what was compiled before."""

from common.engine import Engine
from common.plan.tables import table
from common.settings import Settings


def runs_compiled(engine: type[Engine]) -> bool:
    return engine.loads_weights and table(engine.name, engine.title).compiled


def missing_build(engine: type[Engine], settings: Settings) -> str | None:
    """The command that compiles what the settings lack, None where they lack nothing."""
    if settings.engine_dir or settings.engine_url or not runs_compiled(engine):
        return None
    rows = table(engine.name, engine.title)
    command = next(str(row.build) for row in rows.schemes if row.name == rows.own_4bit)
    return command.format(model=settings.model or "MODEL")
