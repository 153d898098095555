"""Settings of an app on a Ray cluster, and the plan to launch one; imports neither Ray nor vLLM."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.engine import IN_PROCESS
from common.errors import StartError
from common.models.model import Model, local_directory
from common.processes.remote_server import is_http_address, without_userinfo
from common.settings import Settings
from services._vllm.arguments import engine_arguments

UNSUPPORTED_SETTINGS = {"engine_dir": IN_PROCESS["engine_dir"]}
LAUNCH_ONLY = (
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
"""Settings that only an app of our own can be given."""
PLAN_VARIABLE = "LLM_RAY_SERVE_PLAN"
"""The variable in which the driver finds its plan."""


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

    @property
    def vllm_arguments(self) -> dict[str, Any]:
        return self.model_extra or {}


def ray_args(settings: Settings) -> RayArgs:
    """Raises StartError for a value of the wrong type, or one without effect."""
    try:
        args = RayArgs(**settings.engine_args)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise StartError(f"setting 'engine_args': {key!r}: {first['msg']}") from None
    if args.http_port is not None and args.ray_address is None:
        raise StartError(
            "setting 'engine_args': http_port has no effect without ray_address: a cluster of "
            "our own takes a free port"
        )
    return args


def check_running_app(settings: Settings) -> None:
    """Raises StartError for a setting that cannot be had of an app that runs already."""
    url = settings.engine_url or ""
    if not is_http_address(url):
        raise StartError(
            f"setting 'engine_url': {without_userinfo(url)!r} is no address of an app; allowed is "
            "one such as 'http://host:8000', with the app's route prefix if it has one"
        )
    for name in LAUNCH_ONLY:
        if name in settings.changed:
            raise StartError(
                f"setting {name!r} has no effect on the running app that 'engine_url' names; "
                "leave out the one or the other"
            )


def app_url(settings: Settings) -> str:
    """Returns the address without the path of the API, however it was given."""
    return (settings.engine_url or "").rstrip("/").removesuffix("/v1")


def choose_model(names: list[str], settings: Settings, model: Model) -> str:
    """Returns the model of a running app that is ours. Raises StartError when none is named so."""
    if settings.served_model_name is None and len(names) == 1:
        return names[0]
    if model.served_name in names:
        return model.served_name
    raise StartError(
        f"setting 'served_model_name': the app has no model {model.served_name!r}; "
        f"allowed is one of {', '.join(map(repr, names))}"
    )


@dataclass(frozen=True)
class Plan:
    """Tells the driver what to launch, and where to say how that goes.

    It travels as JSON in the driver's environment. `engine_arguments` are vLLM's, from settings;
    those of the user are in `ray.vllm_arguments`. `name` is the app's and of its path, `directory`
    is for Ray's files.
    """

    model_id: str
    model_source: str
    engine_arguments: dict[str, Any]
    ray: RayArgs
    name: str = ""
    port: int = 0
    directory: str = ""
    status_file: str = ""

    @property
    def own_cluster(self) -> bool:
        return self.ray.ray_address is None

    def to_json(self) -> str:
        return PLAN_JSON.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> "Plan":
        return PLAN_JSON.validate_json(text)


PLAN_JSON = TypeAdapter(Plan)


def launch_plan(settings: Settings, model: Model) -> Plan:
    """Returns the plan of an app that has no name yet. Raises StartError."""
    args = ray_args(settings)
    source = str(model.path)
    engine = {"enable_prompt_tokens_details": True, **engine_arguments(settings, model)}
    if args.ray_address is not None and local_directory(settings) is None:
        # Other nodes have no copy of ours: each fetches its own.
        source = str(settings.model)
        engine["revision"] = settings.revision
    # A colon begins the name of a LoRA adapter.
    return Plan(model.served_name.replace(":", "-"), source, engine, args)
