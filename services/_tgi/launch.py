"""The command of text-generation-launcher: its flags, its environment, and its path."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.engine_args import check_engine_args
from common.errors import StartError
from common.machine import find_program
from common.models.adapters import Adapter
from common.models.model import Model, local_directory
from common.processes.ports import LOOPBACK, free_ports
from common.processes.server import Command
from common.settings import Settings
from services._tgi.prefill import reads_in_parts
from services._tgi.request import MAX_TOP_TOKENS

LAUNCHER = "text-generation-launcher"
IMAGE = "ghcr.io/huggingface/text-generation-inference:3.3.7"
STOP_TIMEOUT = 2
"""Seconds that the launcher gives its own children; requests have been drained by then."""
PAYLOAD_LIMIT = 2**32
"""Bytes: our own limit applies."""
SWITCHES = ("disable-custom-kernels", "enable-prefill-logprobs", "trust-remote-code")
OPTIONS = (
    "cuda-graphs", "graceful-termination-timeout", "huggingface-hub-cache", "kv-cache-dtype",
    "max-batch-prefill-tokens", "max-batch-size", "max-batch-total-tokens",
    "max-best-of", "max-client-batch-size", "max-stop-sequences", "max-waiting-tokens",
    "otlp-endpoint", "otlp-service-name", "rope-factor", "rope-scaling",
    "tokenizer-config-path", "usage-stats", "validation-workers", "waiting-served-ratio",
    "watermark-delta", "watermark-gamma", "weights-cache-override",
)  # fmt: skip
"""Flags that engine_args may set, of docs/source/reference/launcher.md: nothing else sets them."""
BY_SETTING = {
    "cuda-memory-fraction": "gpu_memory_utilization",
    "dtype": "dtype",
    "lora-adapters": "adapters",
    "max-concurrent-requests": "max_concurrency",
    "max-input-tokens": "max_model_len",
    "max-total-tokens": "max_model_len",
    "model-id": "model",
    "num-shard": "tensor_parallel_size",
    "quantize": "quantization",
    "revision": "revision",
    "sharded": "tensor_parallel_size",
    "speculate": "speculative",
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


def find_launcher(settings: Settings) -> str:
    """Returns the program's path. Raises StartError, which says how to get it."""
    given = settings.engine_args.get("launcher")
    return find_program(
        LAUNCHER,
        None if given is None else str(given),
        f"run it from its image ({server_command(settings)}) and set "
        f"ENGINE_URL=http://127.0.0.1:8080, or set "
        f"""ENGINE_ARGS='{{"launcher": "/its/path/{LAUNCHER}"}}'""",
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
    if model.load.dtype != "auto" and _takes_dtype(model):
        flags["dtype"] = model.load.dtype
    if model.load.engine_name is not None:
        flags["quantize"] = model.load.engine_name
    if settings.speculative is not None:
        flags["speculate"] = settings.speculative.tokens
    if model.adapters:
        flags["lora-adapters"] = ",".join(map(_adapter, model.adapters))
    if not reads_in_parts(settings, model):
        flags["max-batch-prefill-tokens"] = model.max_model_len
    flags |= {
        name.replace("_", "-"): value
        for name, value in settings.engine_args.items()
        if name != "launcher"
    }
    argv = [find_launcher(settings), *_arguments(flags)]
    return Command(argv, _environment(settings), directory), f"http://{LOOPBACK}:{port}"


def _adapter(adapter: Adapter) -> str:
    """Returns an adapter as the launcher takes it. Raises StartError for a path it would cut."""
    if set(",=@") & set(str(adapter.path)):
        raise StartError(
            f"setting 'adapters': {adapter.path} has one of , = @ in it, where TGI ends a path; "
            "allowed is a path without them"
        )
    return f"{adapter.name}={adapter.path}"


def _takes_dtype(model: Model) -> bool:
    """Returns whether the weights leave TGI a choice of its number format: with any other scheme it
    refuses the flag, also where the checkpoint alone names the scheme."""
    scheme = model.load.engine_name or model.quantization
    return scheme == "none" or scheme.startswith("bitsandbytes")


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
    # Left out, they are on wherever the model allows it. A cached prefix does not tell adapters
    # apart, and the launcher knows that for some attention kernels only.
    if not settings.prefix_caching or settings.adapters:
        environment["PREFIX_CACHING"] = "0"
    if not settings.chunked_prefill:
        environment["PREFILL_CHUNKING"] = "0"
    return environment
