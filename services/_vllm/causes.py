"""Why a process of vLLM failed: its parent is only told that it did."""

import copy
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.messages import one_line
from common.processes.scratch import Scratch

VARIABLE = "VLLM_LOGGING_CONFIG_PATH"


class Causes:
    """The errors that vLLM's processes have logged, in their order."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def first(self) -> str | None:
        """Returns the first one, None where nothing was logged: others follow from it."""
        return next(iter(self.file.read_text("utf-8").splitlines()), None)


class CauseHandler(logging.Handler):
    """Appends each logged exception to a file, as one line."""

    def __init__(self, file: str) -> None:
        super().__init__(logging.ERROR)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info and record.exc_info[1]
        # The file goes when the engine has started.
        if error and os.path.exists(self._file):
            with open(self._file, "a", encoding="utf-8") as file:
                file.write(f"{type(error).__name__}: {one_line(error)}\n")


@contextmanager
def recorded_causes() -> Iterator[Causes]:
    """Lets vLLM, configured and started meanwhile, log its processes' errors into a file, too.

    A configuration of its log that the user has given stays as it is.
    """
    from vllm.logger import DEFAULT_LOGGING_CONFIG

    scratch = Scratch("llm-vllm-")
    causes = Causes(scratch.path / "causes")
    causes.file.touch()
    given = VARIABLE in os.environ
    if not given:
        config = copy.deepcopy(DEFAULT_LOGGING_CONFIG)
        handler = f"{CauseHandler.__module__}.{CauseHandler.__qualname__}"
        config["handlers"]["causes"] = {"class": handler, "file": str(causes.file)}
        config["loggers"]["vllm"]["handlers"].append("causes")
        file = scratch.path / "logging.json"
        file.write_text(json.dumps(config), "utf-8")
        os.environ[VARIABLE] = str(file)
    try:
        yield causes
    finally:
        if not given:
            del os.environ[VARIABLE]
        scratch.remove()
