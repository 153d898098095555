"""The app's LLMConfig: our settings in the terms of Ray and vLLM, on a GPU or a CPU."""

import dataclasses
import inspect
import json
import math
import os
from typing import Any

from common.engine_args import check_engine_args
from common.errors import StartError
from common.messages import one_line
from services._ray_serve.settings import ADAPTERS_VARIABLE, Plan, RayArgs
from services._vllm.arguments import ENVIRONMENT as VLLM_ENVIRONMENT
from services._vllm.arguments import RESERVED, cpu_arguments, with_given

ENVIRONMENT = {
    **VLLM_ENVIRONMENT,
    "RAYLLM_VLLM_ENGINE_CLS": "services._ray_serve.engine.ReplicaEngine",
}
CPU_ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Nothing is compiled but what the first request for log-probabilities would wait 17 s for.
    "TORCHDYNAMO_DISABLE": "1",
}
FORBIDDEN = {
    **{name: f"use the setting {name!r}" for name in ("model", "served_model_name")},
    **RESERVED,
}
"""vLLM's arguments that Ray takes from elsewhere."""
PREFIX_ROUTERS = tuple(
    f"ray.serve.llm.request_router{sign}PrefixCacheAffinityRouter" for sign in ":."
)
OUR_PREFIX_ROUTER = "services._ray_serve.router:TokenPrefixRouter"
"""Takes the place of Ray's, which finds no text in our prompts."""
REPLICAS = {"min_replicas": 1, "max_replicas": 1}
"""Ray's own limits of a number that is not fixed."""
HEALTH_CHECK_PERIOD = 1.0
"""Seconds, 10 by default: Ray replaces a replica whose engine is dead after some failed checks."""


def logical_cpus(plan: Plan) -> int:
    """Returns how many a cluster of our own has to have.

    Without what a deployment in its smallest form asks for, Ray waits for more nodes silently.
    """
    sizes = ("tensor_parallel_size", "pipeline_parallel_size")
    workers = math.prod(int(plan.engine_arguments[size]) for size in sizes)
    return max(os.cpu_count() or 1, replicas(plan) * (1 + workers) + 2)


def coupled(plan: Plan) -> int:
    """Returns how many replicas, which share a model's experts, Ray starts and ends together."""
    return int(plan.engine_arguments["data_parallel_size"])


def replicas(plan: Plan) -> int:
    """Returns how many there are of them all, or at most may be; num_replicas counts what starts
    together as one."""
    scaling = plan.ray.autoscaling
    most = plan.ray.num_replicas if scaling is None else int(scaling.get("max_replicas", 1))
    return most * plan.copies * coupled(plan)


def llm_config(plan: Plan) -> Any:
    """Returns Ray's LLMConfig. Raises StartError for a name or value that Ray or vLLM refuses."""
    import ray
    from pydantic import ValidationError
    from ray.serve.llm import LLMConfig

    args = plan.ray
    gpu = ray.cluster_resources().get("GPU", 0) > 0
    check_vllm_names(args.vllm_arguments)
    check_deployment_names(args.deployment_config)
    check_deployment_names(args.ingress_deployment_config)
    engine = plan.engine_arguments
    environment = ENVIRONMENT | {ADAPTERS_VARIABLE: json.dumps(plan.adapters)}
    if not gpu:
        engine = engine | cpu_arguments(engine)
        environment |= CPU_ENVIRONMENT | {"OMP_NUM_THREADS": str(threads(plan))}
    values = {
        "model_loading_config": {"model_id": plan.model_id, "model_source": plan.model_source},
        "engine_kwargs": with_given(engine, args.vllm_arguments),
        "deployment_config": deployment(plan),
        "runtime_env": args.runtime_env
        | {"env_vars": environment | args.runtime_env.get("env_vars", {})},
        "experimental_configs": {"stream_batching_interval_ms": args.stream_batching_interval_ms}
        | args.experimental_configs,
        "accelerator_type": args.accelerator_type,
        "accelerator_config": args.accelerator_config or (None if gpu else {"kind": "cpu"}),
        "placement_group_config": args.placement_group_config,
    }
    try:
        return LLMConfig(**values)
    except (ValidationError, ValueError) as error:
        reason = one_line(error, 500)
        raise StartError(f"setting 'engine_args': Ray refuses it: {reason}") from None


def deployment(plan: Plan) -> dict[str, Any]:
    """Returns the options of the replicas' deployment."""
    scaling = plan.ray.autoscaling
    values: dict[str, Any] = {
        # Ray takes a number or limits of it.
        **({"num_replicas": plan.ray.num_replicas * plan.copies} if scaling is None else {}),
        "max_ongoing_requests": plan.engine_arguments["max_num_seqs"],
        "health_check_period_s": HEALTH_CHECK_PERIOD,
        # A mistake would be made again.
        "max_constructor_retry_count": 1,
    }
    values |= plan.ray.deployment_config
    if scaling is not None:
        values["autoscaling_config"] = scaling | {
            name: limit * plan.copies
            for name, limit in (REPLICAS | scaling).items()
            if name in (*REPLICAS, "initial_replicas") and limit is not None
        }
    if plan.ray.router in PREFIX_ROUTERS:
        name, ours = "request_router_config", {"request_router_class": OUR_PREFIX_ROUTER}
        values[name] = values[name] | ours
    return values


def threads(plan: Plan) -> int:
    """Returns how many a replica's model gets; a core is left to what carries the streams."""
    return max(1, ((os.cpu_count() or 2) - 1) // replicas(plan))


def check_vllm_names(given: dict[str, Any]) -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import FrontendArgs

    known = {f.name for args in (AsyncEngineArgs, FrontendArgs) for f in dataclasses.fields(args)}
    own = set(RayArgs.model_fields)
    source = f"{', '.join(sorted(own))} and the fields of vllm.AsyncEngineArgs and FrontendArgs"
    check_engine_args(given, known | own, "vLLM or Ray", source, FORBIDDEN)


def check_deployment_names(given: dict[str, Any]) -> None:
    from ray import serve

    allowed = set(inspect.signature(serve.deployment).parameters) - {"_func_or_class"}
    source = "the options of serve.deployment"
    check_engine_args(given, allowed, "a deployment of Ray Serve", source)
