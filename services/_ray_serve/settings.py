"""Settings of an app on a Ray cluster, and the plan to launch one; imports neither Ray nor vLLM."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.engine import IN_PROCESS, LOADING_SETTINGS
from common.errors import StartError
from common.models.model import Model, local_directory
from common.processes.remote_server import check_running, is_http_address, without_userinfo
from common.settings import Settings
from services._vllm.arguments import engine_arguments

UNSUPPORTED_SETTINGS = {
    **dict.fromkeys(
        LOADING_SETTINGS,
        "Ray starts and replaces replicas, each with the adapters of the start",
    ),
    "engine_dir": IN_PROCESS["engine_dir"],
}
PLAN_VARIABLE = "LLM_RAY_SERVE_PLAN"
"""The variable in which the driver finds its plan."""
ADAPTERS_VARIABLE = "LLM_RAY_SERVE_ADAPTERS"
"""The variable in which a replica finds its adapters, a JSON object of directories by name."""
ADAPTER_ARGUMENT = "adapter"
"""The key of a request's vllm_xargs that names its adapter. By the request's model Ray would choose
one from a cloud's storage, and a replica that has it."""


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
    def autoscaling(self) -> dict[str, Any] | None:
        """The limits of the number of replicas, None where it is fixed."""
        scaling: dict[str, Any] | None = self.deployment_config.get("autoscaling_config")
        return scaling

    @property
    def router(self) -> str | None:
        """The import path of what chooses a replica for each request, None for Serve's own."""
        routing = self.deployment_config.get("request_router_config")
        path: str | None = routing.get("request_router_class") if routing else None
        return path

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
    if args.autoscaling is not None and "num_replicas" in args.model_fields_set:
        raise StartError(
            "setting 'engine_args': autoscaling_config has the replicas between its min_replicas "
            "and max_replicas; leave num_replicas out"
        )
    if "KVAwareRouter" in str(args.router):
        raise StartError(
            "setting 'engine_args': KVAwareRouter chooses at random in an app whose proxy does not "
            "stream from the replicas themselves, as here; allowed is "
            "ray.serve.llm.request_router:PrefixCacheAffinityRouter"
        )
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
    check_running(settings)


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
    those of the user are in `ray.vllm_arguments`. `copies` is how many replicas there are for each
    that the user asks for. `adapters` are directories by name. `name` is the app's and of its path,
    `directory` is for Ray's files.
    """

    model_id: str
    model_source: str
    engine_arguments: dict[str, Any]
    ray: RayArgs
    copies: int = 1
    adapters: dict[str, str] = field(default_factory=dict)
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
    copies = 1
    if not model.config.experts:
        # vLLM refuses to couple copies that share no experts: each is a replica like any other.
        copies, engine["data_parallel_size"] = settings.data_parallel_size, 1
    adapters = {adapter.name: str(adapter.path) for adapter in model.adapters}
    # A colon begins the name of an adapter from a cloud's storage.
    return Plan(model.served_name.replace(":", "-"), source, engine, args, copies, adapters)
