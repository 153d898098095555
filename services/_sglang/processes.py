"""SGLang's child processes and the watch over them, and its hold on this process."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from common.errors import StartError
from common.messages import one_line
from services._sglang.scheduler import run_scheduler

CPU_ENGINE = "SGLANG_USE_CPU_ENGINE"


def uses_cpu() -> bool:
    """Returns whether SGLang computes on the CPU, which it is told here where nothing else can.

    Call it before SGLang is imported.
    """
    import torch

    if not torch.accelerator.is_available():
        os.environ.setdefault(CPU_ENGINE, "1")
    return os.environ.get(CPU_ENGINE) == "1"


def load_engine(arguments: dict[str, Any], kill_children: Callable[[], None]) -> Any:
    """Returns SGLang's Engine with its children started; blocks until the model is loaded.

    The children get SIGKILL when the thread that started them ends (PR_SET_PDEATHSIG). Raises
    StartError with the cause where one of them fails.
    """
    from sglang.srt.entrypoints.engine import Engine

    failures, sender = multiprocessing.Pipe(duplex=False)

    class ServiceEngine(Engine):
        run_scheduler_process_func = staticmethod(partial(run_scheduler, sender))

        @classmethod
        def _launch_detokenizer_subprocesses(
            cls, *_: Any, **__: Any
        ) -> tuple[list[Any], list[str]]:
            """The service makes the text."""
            return [], []

        def shutdown(self) -> None:
            """Called at exit; SGLang's own kills every child of this process."""
            kill_children()

    with failures, sender:
        try:
            engine = ServiceEngine(**arguments)
        except Exception as error:
            cause = failures.recv() if failures.poll() else one_line(error)
            raise StartError(f"SGLang cannot load the model: {cause}") from error
    # It is for this thread, and for methods that are not used here.
    engine.loop.close()
    return engine


def take_requests(manager: Any, ended: Callable[[asyncio.Task[None]], None]) -> None:
    """Begin to receive answers on the running loop; `ended` is called should that end.

    Otherwise SGLang begins with its first request, and takes SIGTERM and SIGQUIT from the service
    then; an error ends this process and all its children.
    """
    loop = asyncio.get_running_loop()
    manager.event_loop = loop
    task = loop.create_task(manager.handle_loop(), name="sglang-answers")
    task.add_done_callback(ended)
    manager.asyncio_tasks.add(task)


def fail_requests(manager: Any, reason: str) -> None:
    """End all requests as the scheduler would; they wait for it without limit."""
    from sglang.srt.managers.io_struct import AbortReq

    for request_id in list(manager.rid_to_state):
        manager._handle_abort_req(AbortReq(rid=request_id, abort_message=reason))


async def detach(manager: Any) -> None:
    """Stop what watches the children and what receives from them."""
    if manager._subprocess_watchdog is not None:
        await asyncio.to_thread(manager._subprocess_watchdog.stop)
    for task in manager.asyncio_tasks:
        task.cancel()
    await asyncio.gather(*manager.asyncio_tasks, return_exceptions=True)


class ExitWatcher:
    """Calls `ended` in the running loop, with the id of the first process to end; Linux only.

    SGLang polls them once a second, and ignores an exit code of 0.
    """

    def __init__(self, pids: Iterable[int], ended: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._files: list[int] = []
        try:
            for pid in pids:
                self._files.append(os.pidfd_open(pid))
                self._loop.add_reader(self._files[-1], self._on_end, ended, pid)
        except ProcessLookupError:
            # It has ended, and has been reaped elsewhere.
            self._loop.call_soon(self._on_end, ended, pid)

    def _on_end(self, ended: Callable[[int], None], pid: int) -> None:
        self.close()
        ended(pid)

    def close(self) -> None:
        for file in self._files:
            self._loop.remove_reader(file)
            os.close(file)
        self._files.clear()
