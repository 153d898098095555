"""What of the settings an app on a Ray cluster is launched with; imports neither Ray nor vLLM."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.engine import IN_PROCESS
from common.errors import StartError
from common.models.model import Model, local_directory
from common.processes.remote_server import is_http_address, without_userinfo
from common.settings import Settings

UNSUPPORTED_SETTINGS = {"engine_dir": IN_PROCESS["engine_dir"]}
OF_A_LAUNCH = (
    "chunked_prefill",
    "dtype",
    "engine_args",
    "engine_dir",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "kv_cache_gib",
    "prefix_caching",
    "quantization",
    "seed",
    "start_timeout",
    "tensor_parallel_size",
    "trust_remote_code",
)
"""Settings that a running app has had its own values of."""
PLAN = "LLM_RAY_SERVE_PLAN"
"""The variable in which the driver finds its plan."""
MAX_LOGPROBS = 20
FORBIDDEN = {name: f"use the setting {name!r}" for name in ("model", "served_model_name")}
"""vLLM's arguments that Ray takes from elsewhere."""


class RayArgs(BaseModel):
    """The keys of `engine_args` that are Ray's; all others are vLLM's own arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    ray_address: str | None = Field(None, description="of a running cluster; none starts one here")
    http_port: int | None = Field(None, ge=1, le=65535, description="of Serve, on that cluster")
    num_replicas: int = Field(1, ge=1)
    stream_batching_interval_ms: float = Field(10, ge=0)
    accelerator_type: str | None = None
    accelerator_config: dict[str, Any] | None = None
    placement_group_config: dict[str, Any] | None = None
    deployment_config: dict[str, Any] = Field(default_factory=dict)
    ingress_deployment_config: dict[str, Any] = Field(default_factory=dict)
    runtime_env: dict[str, Any] = Field(default_factory=dict)
    experimental_configs: dict[str, Any] = Field(default_factory=dict)


def ray_args(settings: Settings) -> RayArgs:
    """Raises StartError for a value of the wrong type, or one without effect."""
    try:
        found = RayArgs(**settings.engine_args)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise StartError(f"setting 'engine_args': {place!r}: {first['msg']}") from None
    if found.http_port is not None and found.ray_address is None:
        raise StartError(
            "setting 'engine_args': http_port has no effect without ray_address: a cluster of "
            "our own takes a free port"
        )
    return found


def check_running_app(settings: Settings) -> None:
    """Raises StartError for a setting that cannot be had of an app that runs already."""
    url = settings.engine_url or ""
    if not is_http_address(url):
        raise StartError(
            f"setting 'engine_url': {without_userinfo(url)!r} is no address of an app; allowed is "
            "one such as 'http://host:8000', with the app's route prefix if it has one"
        )
    for name in OF_A_LAUNCH:
        if name in settings.changed:
            raise StartError(
                f"setting {name!r} has no effect on the running app that 'engine_url' names; "
                "leave out the one or the other"
            )


def app_url(settings: Settings) -> str:
    """The address without the path of the API, however it was given."""
    return (settings.engine_url or "").rstrip("/").removesuffix("/v1")


def choose_model(names: list[str], settings: Settings, model: Model) -> str:
    """Which of the models of a running app is ours. Raises StartError when none is named so."""
    if settings.served_model_name is None and len(names) == 1:
        return names[0]
    if model.served_name in names:
        return model.served_name
    raise StartError(
        f"setting 'served_model_name': the app has no model {model.served_name!r}; "
        f"allowed is one of {', '.join(map(repr, names))}"
    )


def launch_plan(settings: Settings, model: Model) -> dict[str, Any]:
    """What services/_ray_serve/app.py is told, as JSON."""
    args = ray_args(settings)
    source = str(model.path)
    engine = _engine_arguments(settings, model)
    if args.ray_address is not None and local_directory(settings) is None:
        # Other nodes have no copy of ours: each fetches its own.
        source = str(settings.model)
        engine["revision"] = settings.revision
    return {
        # A colon begins the name of a LoRA adapter.
        "model_id": model.served_name.replace(":", "-"),
        "model_source": source,
        "max_concurrency": settings.max_concurrency,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "engine_kwargs": engine,
        "vllm": args.model_extra or {},
        "ray": args.model_dump(exclude=set(args.model_extra or ())),
    }


def _engine_arguments(settings: Settings, model: Model) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dtype": settings.dtype,
        "quantization": model.load.engine_name,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "max_model_len": model.max_model_len,
        "max_num_seqs": settings.max_concurrency,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        # None is on wherever the model allows it; True would insist.
        "enable_prefix_caching": None if settings.prefix_caching else False,
        "enable_chunked_prefill": None if settings.chunked_prefill else False,
        "seed": settings.seed,
        "trust_remote_code": settings.trust_remote_code,
        "max_logprobs": MAX_LOGPROBS,
        "generation_config": "vllm",
        "enable_prompt_tokens_details": True,
        "enable_log_requests": False,
    }
    if settings.kv_cache_gib is not None:
        values["kv_cache_memory_bytes"] = int(settings.kv_cache_gib * 2**30)
    return values
