"""tritonserver: checks before its start, its command, and its metrics page."""

import asyncio
import http.client
import os
import re
from collections.abc import Iterator
from pathlib import Path

from common.engine_args import check_engine_args
from common.errors import StartError
from common.machine import find_program
from common.processes.ports import LOOPBACK
from common.processes.remote_server import check_running, without_userinfo
from common.processes.server import Command
from common.settings import Settings
from services._compiled.tensorrt_engine import (
    EngineConfig,
    check_gpu,
    check_settings,
    open_engine,
)
from services._triton.repository import BACKEND, MODEL, TUNING

BINARY = "tritonserver"
MPIRUN = "mpirun"
IMAGE = "nvcr.io/nvidia/tritonserver:26.07-trtllm-python-py3"
LIBRARY = re.compile(rf"libtriton_{BACKEND}\w*\.so|model\.py")
"""A backend in C++ or in Python, which is how Triton finds one."""
ALLOWED_ARGS = (BINARY, *TUNING)
RESERVED = {"kv_cache_host_memory_bytes": "use the setting 'kv_offload'"}
ADDRESS = re.compile(r"(?P<host>[^\s:/]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
METRICS_TIMEOUT = 2.0
KV_CACHE_USAGE = re.compile(
    r'^nv_trt_llm_kv_cache_block_metrics\{[^}]*kv_cache_block_type="fraction"[^}]*\} (\S+)$', re.M
)


def check_remote(settings: Settings, url: str) -> None:
    """Raises StartError for an address that is none, or settings without effect."""
    if not ADDRESS.fullmatch(url):
        raise StartError(
            f"setting 'engine_url': {without_userinfo(url)!r} is no address; allowed is "
            "host:port of a tritonserver's gRPC, such as localhost:8001"
        )
    # The adapter's own generator of the seeds of requests begins with it.
    check_running(settings, taken=("seed",))


def check_local(settings: Settings) -> EngineConfig:
    """Returns the compiled engine. Raises StartError for what tritonserver lacks to start."""
    check_engine_args(settings.engine_args, ALLOWED_ARGS, "Triton", reserved=RESERVED)
    config = open_engine(settings)
    check_settings(config, settings)
    check_backend(Path(find_binary(settings)))
    if config.world_size > 1:
        needed = f"the engine in {config.path} needs it for {config.world_size} GPUs"
        find_program(MPIRUN, None, f"{needed}; it comes with the image {IMAGE}")
    check_gpu(config)
    return config


def check_backend(binary: Path) -> None:
    """Raises StartError where the backend of compiled engines is not beside the program, as it is
    in NVIDIA's images: not every release's has it."""
    folder = binary.resolve().parents[1] / "backends"
    names = [file.name for file in (folder / BACKEND).glob("*")]
    if folder.is_dir() and not any(map(LIBRARY.fullmatch, names)):
        raise StartError(
            f"{folder} has no backend {BACKEND!r} (libtriton_{BACKEND}.so), and so this {BINARY} "
            "cannot run compiled engines; use an image that has it, or serve the same engine_dir "
            "with the backend tensorrt_llm"
        )


def find_binary(settings: Settings) -> str:
    """Returns the program's path. Raises StartError when there is none to run."""
    given = settings.engine_args.get(BINARY)
    return find_program(
        BINARY,
        None if given is None else str(given),
        f"it comes with NVIDIA's image: docker pull {IMAGE}; or give its path as "
        f'engine_args {{"{BINARY}": "/path"}}, or the address of a running one as engine_url',
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
