"""Notices children that have died, once a second."""

import logging
import os
import signal
import threading
from multiprocessing.process import BaseProcess

logger = logging.getLogger(__name__)


class SubprocessWatchdog:
    def __init__(
        self,
        processes: list[BaseProcess],
        process_names: list[str] | None = None,
        interval: float = 1.0,
    ) -> None:
        self._processes = processes
        self._names = process_names or [process.name for process in processes]
        self._interval = interval
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(self._interval * 2)
            self._thread = None

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            for process, name in zip(self._processes, self._names, strict=True):
                if not process.is_alive() and process.exitcode:
                    logger.error("Subprocess %s crashed: %s", name, process.exitcode)
                    os.kill(os.getpid(), signal.SIGQUIT)
                    return
