"""The service's settings as LMDeploy's engine configuration."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal, get_args

from common import messages
from common.engine_args import check_engine_args
from common.errors import StartError
from common.models.model import Model
from common.settings import Settings

Backend = Literal["turbomind", "pytorch"]
BACKENDS: Sequence[str] = get_args(Backend)
MODEL_FORMATS: Mapping[Backend, Sequence[str]] = {
    "turbomind": ("hf", "awq", "gptq", "compressed-tensors", "fp8", "mxfp4"),
    "pytorch": ("fp8",),
}
"""The values of `model_format` beside None; both engines detect the checkpoint's own method."""
RESERVED: Mapping[str, str] = {
    "adapters": "use the setting 'adapters'",
    "dp": "use the setting 'data_parallel_size'",
    "ep": "use the setting 'expert_parallel'",
    "logprobs_mode": "the service tells log-probabilities, not logits",
    "tp": "use the setting 'tensor_parallel_size'",
}
MTP_METHODS: Mapping[str, str] = {
    "deepseek_v3": "deepseek_mtp",
    "hy_v3": "hy3_mtp",
    "qwen3_5": "qwen3_5_mtp",
    "qwen3_5_moe": "qwen3_5_mtp",
}
"""By the model's type: LMDeploy's names of the method `mtp` (pytorch/spec_decode/proposers)."""
EXECUTOR = "LMDEPLOY_EXECUTOR_BACKEND"
"""LMDeploy's own variable, which wins."""


def backend_of(settings: Settings) -> Backend:
    """Returns TurboMind, unless `engine_args` name the PyTorch engine. Raises StartError."""
    name = settings.engine_args.get("backend", "turbomind")
    if name == "turbomind":
        return "turbomind"
    if name == "pytorch":
        return "pytorch"
    raise StartError(
        f"setting 'engine_args': backend is {name!r}; allowed are {' and '.join(BACKENDS)}"
    )


def check_settings(settings: Settings) -> None:
    """Raises StartError for what LMDeploy would refuse only after it has begun to load."""
    backend = backend_of(settings)
    if backend == "pytorch" and settings.data_parallel_size > 1:
        raise StartError(
            "setting 'data_parallel_size': LMDeploy's engine 'pytorch' takes a server for each "
            "copy; allowed is 1, or engine_args backend 'turbomind'"
        )
    if backend == "turbomind" and settings.speculative is not None:
        raise StartError(
            "setting 'speculative': LMDeploy's engine 'turbomind' drafts nothing; allowed is none, "
            "or engine_args backend 'pytorch'"
        )
    if backend == "turbomind" and settings.adapters:
        raise StartError(
            "setting 'adapters': LMDeploy's engine 'turbomind' has none; allowed is none, or "
            "engine_args backend 'pytorch'"
        )
    if settings.adapters and find_spec("peft") is None:
        raise StartError(
            "setting 'adapters': LMDeploy reads them by peft, which is not installed; install the "
            "release that lmdeploy asks for: pip install 'peft<=0.14.0'"
        )
    if settings.dtype == "float32":
        raise StartError(
            "setting 'dtype': LMDeploy does not compute in 'float32'; "
            "allowed are auto, bfloat16, float16"
        )
    if settings.gpu_memory_utilization == 1:
        raise StartError(
            "setting 'gpu_memory_utilization': 1 leaves LMDeploy no memory beside the KV cache, "
            "of which this is the share in what the weights leave free; allowed is less than 1"
        )
    arguments = settings.engine_args
    if arguments.get("empty_init"):
        raise StartError("setting 'engine_args': empty_init would load no weights to answer with")
    if "mp" in (arguments.get("distributed_executor_backend"), os.environ.get(EXECUTOR)):
        raise StartError(
            f"setting 'engine_args': distributed_executor_backend 'mp' (or {EXECUTOR}=mp) takes "
            "over a signal, for which it needs the thread that serves HTTP; allowed are uni and ray"
        )


def engine_config(settings: Settings, model: Model) -> Any:
    """Returns a TurbomindEngineConfig or PytorchEngineConfig. Raises StartError."""
    from lmdeploy import PytorchEngineConfig, TurbomindEngineConfig

    backend = backend_of(settings)
    kind = TurbomindEngineConfig if backend == "turbomind" else PytorchEngineConfig
    arguments = {k: v for k, v in settings.engine_args.items() if k != "backend"}
    allowed = {"backend"} | {field.name for field in dataclasses.fields(kind)}
    source = f"backend and the fields of lmdeploy.{kind.__name__}"
    check_engine_args(arguments, allowed, "LMDeploy", source, RESERVED)
    values: dict[str, Any] = {
        "dtype": model.load.dtype,
        "model_format": _model_format(model, backend),
        "tp": settings.tensor_parallel_size,
        "dp": settings.data_parallel_size,
        "ep": settings.tensor_parallel_size if settings.expert_parallel else 1,
        "session_len": model.max_model_len,
        "max_batch_size": settings.max_concurrency,
        "enable_prefix_caching": settings.prefix_caching,
    }
    if "gpu_memory_utilization" in settings.model_fields_set:
        # A share of what the weights leave free; LMDeploy's own default is 0.8 of that.
        values["cache_max_entry_count"] = settings.gpu_memory_utilization
    if backend == "turbomind":
        # It would take fewer where there are fewer.
        values["device_num"] = settings.gpus
    else:
        # Without it there are none; it costs nothing until a request asks for them.
        values["logprobs_mode"] = "raw_logprobs"
        values["adapters"] = {each.key: str(each.path) for each in model.adapters} or None
    try:
        return kind(**(values | arguments))
    except Exception as error:
        raise StartError(f"LMDeploy refuses its arguments: {one_line(error)}") from error


def speculative_config(settings: Settings, model: Model) -> Any:
    """Returns a SpeculativeConfig, None without speculation. Raises StartError."""
    speculative = settings.speculative
    if speculative is None:
        return None
    from lmdeploy.messages import SpeculativeConfig

    method: str | None = speculative.method
    if method == "mtp":
        method = MTP_METHODS.get(model.config.model_type)
    if method is None:
        raise StartError(
            f"setting 'speculative': LMDeploy has no 'mtp' for a {model.config.model_type!r} "
            f"model; allowed are {', '.join(MTP_METHODS)}"
        )
    return SpeculativeConfig(method, speculative.model or "", speculative.tokens)


def _model_format(model: Model, backend: Backend) -> str | None:
    scheme = model.load.engine_name
    if scheme is None or scheme == model.quantization:
        return None
    if scheme not in MODEL_FORMATS[backend]:
        allowed = ", ".join(MODEL_FORMATS[backend])
        raise StartError(
            f"setting 'quantization': LMDeploy's engine {backend!r} has no {scheme!r}; "
            f"allowed are {allowed} and the checkpoint's own, {model.quantization!r}"
        )
    return scheme


def one_line(error: BaseException) -> str:
    """Returns what `error` says and why, or the line of LMDeploy whose assertion says nothing."""
    details = getattr(error, "errors", None)
    cause = details()[0].get("ctx", {}).get("error") if callable(details) else error
    if isinstance(cause, AssertionError) and not str(cause):
        return _failed_check(cause)
    text = messages.one_line(cause or error)
    because = error.__cause__
    return text if because is None else f"{text} {messages.one_line(because)}"


def _failed_check(error: BaseException) -> str:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return type(error).__name__
    code = last.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_name} ({code.co_filename}:{last.tb_lineno})"
