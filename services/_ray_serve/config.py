"""The app's LLMConfig: our settings in the terms of Ray and vLLM, on a GPU or a CPU."""

import dataclasses
import inspect
import os
from typing import Any

from common.engine_args import check_engine_args
from common.errors import StartError
from services._ray_serve.settings import FORBIDDEN, RayArgs

ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "RAYLLM_VLLM_ENGINE_CLS": "services._ray_serve.engine.ReplicaEngine",
}
CPU_ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Nothing is compiled but what the first request for log-probabilities would wait 17 s for.
    "TORCHDYNAMO_DISABLE": "1",
}
CPU_MAX_SEQUENCES = 256
CPU_KV_CACHE_BYTES = 2**30
HEALTH_CHECK_PERIOD = 1.0
"""Seconds, 10 by default: Ray replaces a replica whose engine is dead after some failed checks."""


def logical_cpus(plan: dict[str, Any]) -> int:
    """Of a cluster of our own: what a deployment asks for in its smallest form has to be there,
    or Ray waits for more nodes without a word."""
    replicas: int = plan["ray"]["num_replicas"]
    return max(os.cpu_count() or 1, replicas * (1 + int(plan["tensor_parallel_size"])) + 2)


def llm_config(plan: dict[str, Any]) -> Any:
    """Raises StartError for a name or value that Ray or vLLM does not know."""
    import ray
    from pydantic import ValidationError
    from ray.serve.llm import LLMConfig

    args = plan["ray"]
    gpu = ray.cluster_resources().get("GPU", 0) > 0
    check_vllm_names(plan["vllm"])
    check_deployment_names(args["deployment_config"])
    check_deployment_names(args["ingress_deployment_config"])
    engine = plan["engine_kwargs"]
    environment = dict(ENVIRONMENT)
    if not gpu:
        engine = engine | cpu_arguments(plan)
        environment |= CPU_ENVIRONMENT | {"OMP_NUM_THREADS": str(threads(plan))}
    given = args["runtime_env"]
    values = {
        "model_loading_config": {
            "model_id": plan["model_id"],
            "model_source": plan["model_source"],
        },
        "engine_kwargs": engine | plan["vllm"],
        "deployment_config": deployment(plan),
        "runtime_env": given | {"env_vars": environment | given.get("env_vars", {})},
        "experimental_configs": {"stream_batching_interval_ms": args["stream_batching_interval_ms"]}
        | args["experimental_configs"],
        "accelerator_type": args["accelerator_type"],
        "accelerator_config": args["accelerator_config"] or (None if gpu else {"kind": "cpu"}),
        "placement_group_config": args["placement_group_config"],
    }
    try:
        return LLMConfig(**values)
    except (ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())[:500]
        raise StartError(f"setting 'engine_args': Ray refuses it: {reason}") from None


def deployment(plan: dict[str, Any]) -> dict[str, Any]:
    """What Serve is told of the replicas."""
    values: dict[str, Any] = {
        "num_replicas": plan["ray"]["num_replicas"],
        "max_ongoing_requests": plan["max_concurrency"],
        "health_check_period_s": HEALTH_CHECK_PERIOD,
        # A mistake would be made again.
        "max_constructor_retry_count": 1,
    }
    given: dict[str, Any] = plan["ray"]["deployment_config"]
    return values | given


def cpu_arguments(plan: dict[str, Any]) -> dict[str, Any]:
    kv_cache = plan["engine_kwargs"].get("kv_cache_memory_bytes", CPU_KV_CACHE_BYTES)
    return {
        "max_num_seqs": min(plan["max_concurrency"], CPU_MAX_SEQUENCES),
        "kv_cache_memory_bytes": kv_cache,
        "enforce_eager": True,
        "worker_extension_cls": "services._vllm.amx.AMX",
    }


def threads(plan: dict[str, Any]) -> int:
    """For a replica's model; a core is left to the processes that carry the streams."""
    replicas: int = plan["ray"]["num_replicas"]
    return max(1, ((os.cpu_count() or 2) - 1) // replicas)


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
