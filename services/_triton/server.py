"""tritonserver: checks before its start, its command, and its metrics page."""

import asyncio
import http.client
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from common.engine_args import check_engine_args
from common.errors import StartError
from common.processes.ports import LOOPBACK
from common.processes.server import Command
from common.settings import Settings
from services._compiled.tensorrt_engine import (
    EngineConfig,
    check_gpu,
    check_settings,
    open_engine,
)
from services._triton.repository import MODEL, TUNING

BINARY = "tritonserver"
MPIRUN = "mpirun"
IMAGE = "nvcr.io/nvidia/tritonserver:26.07-trtllm-python-py3"
ALLOWED_ARGS = (BINARY, *TUNING)
CHILD_ONLY = (
    "engine_dir",
    "engine_args",
    "quantization",
    "tensor_parallel_size",
    "gpu_memory_utilization",
    "prefix_caching",
    "chunked_prefill",
    "start_timeout",
)
"""Settings that only a server of our own can be given."""
ADDRESS = re.compile(r"(?P<host>[^\s:/]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
METRICS_TIMEOUT = 2.0
KV_CACHE_USAGE = re.compile(
    r'^nv_trt_llm_kv_cache_block_metrics\{[^}]*kv_cache_block_type="fraction"[^}]*\} (\S+)$', re.M
)


def check_remote(settings: Settings, url: str) -> None:
    """Raises StartError for an address that is none, or settings without effect."""
    if not ADDRESS.fullmatch(url):
        raise StartError(
            f"setting 'engine_url': {url!r} is no address; allowed is host:port of a "
            "tritonserver's gRPC, such as localhost:8001"
        )
    for name in CHILD_ONLY:
        if name in settings.changed:
            raise StartError(
                f"setting {name!r} has no effect with 'engine_url': it is for a server that the "
                "service starts"
            )


def check_local(settings: Settings) -> EngineConfig:
    """Returns the compiled engine. Raises StartError for what tritonserver lacks to start."""
    check_engine_args(settings.engine_args, ALLOWED_ARGS, "Triton")
    config = open_engine(settings)
    check_settings(config, settings)
    find_binary(settings)
    if config.world_size > 1 and shutil.which(MPIRUN) is None:
        raise StartError(
            f"{MPIRUN} is not on PATH and the engine in {config.path} needs it for "
            f"{config.world_size} GPUs; it comes with the image {IMAGE}"
        )
    check_gpu(config)
    return config


def find_binary(settings: Settings) -> str:
    """Returns the program's path. Raises StartError when there is none to run."""
    given = settings.engine_args.get(BINARY)
    path = shutil.which(str(given or BINARY))
    if path is not None:
        return path
    where = f"{given} is no program that can be run" if given else f"{BINARY} is not on PATH"
    raise StartError(
        f"{where}; it comes with NVIDIA's image: docker pull {IMAGE}; or give its path as "
        f'engine_args {{"{BINARY}": "/path"}}, or the address of a running one as engine_url'
    )


def command(
    settings: Settings, config: EngineConfig, root: Path, grpc_port: int, metrics_port: int
) -> Command:
    """Returns the command that serves the repository at `root`, with a process per GPU."""
    server = [
        find_binary(settings),
        f"--model-repository={root}",
        "--disable-auto-complete-config",
        # It stays and says why it could not load the model; it would end without a word.
        "--exit-on-error=false",
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={grpc_port}",
        "--allow-http=false",
        f"--metrics-address={LOOPBACK}",
        f"--metrics-port={metrics_port}",
    ]
    if config.world_size == 1:
        return Command(server, os.environ)
    return Command(list(_with_mpi(server, config.world_size)), os.environ)


def _with_mpi(server: list[str], world_size: int) -> Iterator[str]:
    """Yield the words; ranks other than the first load the model and never open a port."""
    yield from (MPIRUN, "--allow-run-as-root")
    for rank in range(world_size):
        yield from ("-n", "1", *server)
        if rank > 0:
            yield from ("--model-control-mode=explicit", f"--load-model={MODEL}")
        yield ":"


async def read_metrics(port: int) -> str:
    """Returns the server's page in Prometheus text, empty when it does not answer."""
    try:
        return await asyncio.to_thread(_get_metrics, port)
    except (OSError, http.client.HTTPException):
        return ""


def _get_metrics(port: int) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=METRICS_TIMEOUT)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode("utf-8", "replace")
    finally:
        connection.close()


def kv_cache_usage(page: str) -> float | None:
    """Returns the fraction in a metrics page, None without one."""
    match = KV_CACHE_USAGE.search(page)
    return None if match is None else float(match[1])
