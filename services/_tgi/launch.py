"""The command of text-generation-launcher: its flags, its environment, and its path."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.engine_args import check_engine_args
from common.errors import StartError
from common.models.model import Model, local_directory
from common.processes.ports import LOOPBACK, free_ports
from common.processes.server import Command
from common.settings import Settings
from services._tgi.request import MAX_TOP_TOKENS

LAUNCHER = "text-generation-launcher"
IMAGE = "ghcr.io/huggingface/text-generation-inference:3.3.5"
STOP_TIMEOUT = 2
"""Seconds that the launcher gives its own children; requests have been drained by then."""
PAYLOAD_LIMIT = 2**32
"""Bytes: our own limit applies."""
SWITCHES = ("disable-custom-kernels", "enable-prefill-logprobs", "trust-remote-code")
OPTIONS = (
    "cuda-graphs", "graceful-termination-timeout", "huggingface-hub-cache", "kv-cache-dtype",
    "lora-adapters", "max-batch-prefill-tokens", "max-batch-size", "max-batch-total-tokens",
    "max-best-of", "max-client-batch-size", "max-stop-sequences", "max-waiting-tokens",
    "otlp-endpoint", "otlp-service-name", "rope-factor", "rope-scaling", "sharded", "speculate",
    "tokenizer-config-path", "usage-stats", "validation-workers", "waiting-served-ratio",
    "watermark-delta", "watermark-gamma", "weights-cache-override",
)  # fmt: skip
"""Flags that engine_args may set, of docs/source/reference/launcher.md: nothing else sets them."""
BY_SETTING = {
    "cuda-memory-fraction": "gpu_memory_utilization",
    "dtype": "dtype",
    "max-concurrent-requests": "max_concurrency",
    "max-input-tokens": "max_model_len",
    "max-total-tokens": "max_model_len",
    "model-id": "model",
    "num-shard": "tensor_parallel_size",
    "quantize": "quantization",
    "revision": "revision",
    "trust-remote-code": "trust_remote_code",
}
READ_FROM_ENVIRONMENT = (
    *SWITCHES, *OPTIONS, *BY_SETTING, "api-key", "cors-allow-origin", "disable-grammar-support",
    "hostname", "json-output", "master-addr", "master-port", "max-input-length", "max-top-n-tokens",
    "ngrok", "ngrok-authtoken", "ngrok-edge", "payload-limit", "port", "prefix-caching",
    "prometheus-port", "shard-uds-path",
)  # fmt: skip
"""The launcher reads each by its name in capitals. DTYPE, REVISION and others are settings of ours,
with values that the launcher does not know."""


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raises StartError for `engine_args` that are no flags or are not to be set there."""
    flags = {name.replace("_", "-"): value for name, value in arguments.items()}
    allowed = {"launcher", *OPTIONS, *SWITCHES} - BY_SETTING.keys()
    reserved = {flag: f"use the setting {setting!r}" for flag, setting in BY_SETTING.items()}
    check_engine_args(flags, allowed, LAUNCHER, reserved=reserved)
    for flag, value in flags.items():
        if not isinstance(value, bool if flag in SWITCHES else str | int | float):
            kind = "true or false" if flag in SWITCHES else "a string or a number"
            raise StartError(f"setting 'engine_args': {flag!r} must be {kind}")


def check_formats(settings: Settings) -> None:
    """Raises StartError for a number format that TGI does not have."""
    if settings.dtype == "float32":
        raise StartError("setting 'dtype': TGI has no float32; allowed are auto, bfloat16, float16")
    if settings.quantization not in (None, "none", "auto") and settings.dtype != "auto":
        raise StartError("setting 'dtype': TGI takes none together with quantization")


def find_launcher(settings: Settings) -> str:
    """Returns the program's path. Raises StartError, which says how to get it."""
    given = settings.engine_args.get("launcher")
    path = shutil.which(LAUNCHER if given is None else os.path.expanduser(str(given)))
    if path is not None:
        return path
    where = f"at {given!r} (setting 'engine_args')"
    if given is None:
        where = f"on PATH ({os.environ.get('PATH', os.defpath)})"
    raise StartError(
        f"{LAUNCHER} was looked for {where} and is not there; run it from its image "
        f"({server_command(settings)}) and set ENGINE_URL=http://127.0.0.1:8080, or set "
        f"""ENGINE_ARGS='{{"launcher": "/its/path/{LAUNCHER}"}}'"""
    )


def server_command(settings: Settings) -> str:
    """Returns a command that starts a server for these settings elsewhere."""
    path = local_directory(settings)
    mount, model = ("", settings.model) if path is None else (f" -v {path}:/model", "/model")
    length = settings.max_model_len
    limit = f" --max-total-tokens {length} --max-input-tokens {length - 1}" if length else ""
    return (
        f"docker run --gpus all --shm-size 1g -p 8080:80{mount} {IMAGE} --model-id {model}{limit} "
        f"--max-top-n-tokens {MAX_TOP_TOKENS} --usage-stats off"
    )


def launch(settings: Settings, model: Model, directory: Path) -> tuple[Command, str]:
    """Returns the command and the URL of its server; `directory` is for the server's files."""
    port, prometheus_port, master_port = free_ports(3)
    flags: dict[str, Any] = {
        "model-id": model.path,
        "num-shard": settings.tensor_parallel_size,
        "cuda-memory-fraction": settings.gpu_memory_utilization,
        "max-total-tokens": model.max_model_len,
        "max-input-tokens": model.max_model_len - 1,
        # A request counts until some time after its connection was closed.
        "max-concurrent-requests": 2 * settings.max_concurrency + 8,
        "max-top-n-tokens": MAX_TOP_TOKENS,
        "payload-limit": PAYLOAD_LIMIT,
        "hostname": LOOPBACK,
        "port": port,
        "prometheus-port": prometheus_port,
        "master-port": master_port,
        "shard-uds-path": directory / "shard",
        "usage-stats": "off",
        "graceful-termination-timeout": STOP_TIMEOUT,
        "trust-remote-code": settings.trust_remote_code,
    }
    if settings.dtype != "auto":
        flags["dtype"] = settings.dtype
    if model.load.engine_name is not None:
        flags["quantize"] = model.load.engine_name
    if not settings.chunked_prefill:
        flags["max-batch-prefill-tokens"] = model.max_model_len
    flags |= {
        name.replace("_", "-"): value
        for name, value in settings.engine_args.items()
        if name != "launcher"
    }
    argv = [find_launcher(settings), *_arguments(flags)]
    return Command(argv, _environment(settings), directory), f"http://{LOOPBACK}:{port}"


def _arguments(flags: Mapping[str, Any]) -> list[str]:
    argv: list[str] = []
    for name, value in flags.items():
        if name in SWITCHES:
            argv += [f"--{name}"] * value
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            argv += [f"--{name}", text]
    return argv


def _environment(settings: Settings) -> dict[str, str]:
    read = {name.upper().replace("-", "_") for name in READ_FROM_ENVIRONMENT}
    environment = {name: value for name, value in os.environ.items() if name not in read}
    # Left out, they are on wherever the model allows it.
    if not settings.prefix_caching:
        environment["PREFIX_CACHING"] = "0"
    if not settings.chunked_prefill:
        environment["PREFILL_CHUNKING"] = "0"
    return environment
