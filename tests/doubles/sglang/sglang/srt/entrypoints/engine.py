"""The Engine: starts its processes, and takes over the one it is made in."""

import asyncio
import atexit
import inspect
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import AsyncGenerator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import uvloop

from ..managers.detokenizer_manager import run_detokenizer_process
from ..managers.io_struct import GenerateReqInput
from ..managers.scheduler import PortArgs, run_scheduler_process
from ..managers.tokenizer_manager import TokenizerManager
from ..server_args import ServerArgs
from ..utils.common import configure_logger, kill_process_tree
from ..utils.watchdog import SubprocessWatchdog

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
USED = ("sampling_params", "input_ids", "return_logprob", "top_logprobs_num", "stream", "rid")


class Engine:
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("log_level", "error")
        self.server_args = server_args = ServerArgs(**kwargs)
        self.tokenizer_manager: TokenizerManager | None = None
        atexit.register(self.shutdown)
        configure_logger(server_args)
        _set_envs_and_config()
        folder = Path(tempfile.mkdtemp(prefix="sglang-"))
        ports = PortArgs(f"ipc://{folder}/out", f"ipc://{folder}/in", str(folder / "loads"))
        reader, writer = multiprocessing.Pipe(duplex=False)
        scheduler = multiprocessing.Process(
            target=run_scheduler_process, args=(server_args, ports, writer)
        )
        detokenizer = multiprocessing.Process(target=run_detokenizer_process, args=(server_args,))
        scheduler.start()
        detokenizer.start()
        # Or the pipe's end would not be seen here.
        writer.close()
        manager = TokenizerManager(server_args, ports)
        self._pids = [process.pid for process in (scheduler, detokenizer) if process.pid]
        manager.max_req_input_len = _wait_for_ready(reader, scheduler)["max_req_input_len"]
        watchdog = SubprocessWatchdog([scheduler, detokenizer], ["scheduler_0", "detokenizer"])
        watchdog.start()
        manager._subprocess_watchdog = watchdog
        self.tokenizer_manager = manager
        self.loop = _ensure_event_loop()

    def get_all_child_pids(self) -> list[int]:
        return self._pids

    async def async_generate(
        self,
        prompt: Any = None,
        sampling_params: Any = None,
        input_ids: Any = None,
        image_data: Any = None,
        audio_data: Any = None,
        video_data: Any = None,
        mm_hashes: Any = None,
        mm_content_hashes: Any = None,
        return_logprob: Any = False,
        logprob_start_len: Any = None,
        top_logprobs_num: Any = None,
        token_ids_logprob: Any = None,
        lora_path: Any = None,
        custom_logit_processor: Any = None,
        require_reasoning: bool = False,
        return_hidden_states: Any = False,
        return_routed_experts: bool = False,
        routed_experts_start_len: int = 0,
        stream: bool = False,
        bootstrap_host: Any = None,
        bootstrap_port: Any = None,
        bootstrap_room: Any = None,
        routed_dp_rank: int | None = None,
        disagg_prefill_dp_rank: int | None = None,
        kv_hints: Any = None,
        data_parallel_rank: int | None = None,
        external_trace_header: Any = None,
        rid: Any = None,
        session_params: Any = None,
        priority: int | None = None,
        session_id: str | None = None,
        *,
        cache_salt: Any = None,
    ) -> dict[str, Any] | AsyncGenerator[dict[str, Any], None]:
        given = locals()
        for name, parameter in inspect.signature(Engine.async_generate).parameters.items():
            if name not in (*USED, "self") and given[name] != parameter.default:
                raise NotImplementedError(f"{name} does nothing in this double")
        assert self.tokenizer_manager is not None
        request = GenerateReqInput(**{name: given[name] for name in USED})
        outputs = self.tokenizer_manager.generate_request(request, None)
        return outputs if stream is True else await anext(outputs)

    def shutdown(self) -> None:
        """Kills every child of this process."""
        manager = self.tokenizer_manager
        if manager is not None and manager._subprocess_watchdog is not None:
            manager._subprocess_watchdog.stop()
        kill_process_tree(os.getpid(), include_parent=False, wait_timeout=60)


def _set_envs_and_config() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGQUIT, lambda number, frame: kill_process_tree(os.getpid()))
    multiprocessing.set_start_method("spawn", force=True)


def _wait_for_ready(reader: "Connection[Any, Any]", scheduler: BaseProcess) -> dict[str, Any]:
    try:
        ready: dict[str, Any] = reader.recv()
    except EOFError:
        scheduler.join(10)
        raise RuntimeError(
            f"Rank 0 scheduler died during initialization (exit code: {scheduler.exitcode})."
        ) from None
    return ready


def _ensure_event_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop
