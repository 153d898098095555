"""Values of settings, and the settings of the model and its engine."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from common.speculative import PATTERN, Speculative, parse_speculative


def _json_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def _comma_list(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if value and not parts:
        raise ValueError("holds nothing between its commas")
    return parts


def _adapter_paths(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    paths: dict[str, str] = {}
    for part in _comma_list(value):
        name, _, path = part.partition("=")
        if not (ADAPTER_NAME.fullmatch(name) and path):
            raise ValueError(f"{part!r} is not name=directory or name=org/name")
        if name in paths:
            raise ValueError(f"names {name!r} twice")
        paths[name] = path
    return paths


ADAPTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
JSONObject = Annotated[dict[str, Any], BeforeValidator(_json_object)]
CommaList = Annotated[list[str], BeforeValidator(_comma_list)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
AdapterPaths = Annotated[
    dict[str, str], BeforeValidator(_adapter_paths), WithJsonSchema({"type": "string"})
]
Speculation = Annotated[
    Speculative,
    BeforeValidator(parse_speculative),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]


class EngineSettings(BaseModel):
    """Says which model is served, and how its engine runs it."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str | None = Field(
        None, description="directory, hub id or store tag; without one, the demo model"
    )
    served_model_name: str | None = Field(None, description="the model's name for clients")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    task: Literal["auto", "generate", "embed"] = Field(
        "auto", description="`generate` or `embed`; `auto` takes what the model is for"
    )
    trust_remote_code: bool = Field(False, description="run Python code from the model's files")
    quantization: str | None = Field(
        None, description="`auto`, `none`, `awq`, `fp8` …; not set means `auto`"
    )
    kv_cache_dtype: str = Field("auto", description="type of the KV cache: `auto`, `fp8`, `int8` …")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto", description="type of the weights: `auto`, `bfloat16`, `float16`, `float32`"
    )
    max_model_len: int | None = Field(
        None, ge=16, description="most tokens of a prompt and its answer together"
    )
    tensor_parallel_size: int = Field(1, ge=1, le=64, description="GPUs that share each layer")
    pipeline_parallel_size: int = Field(
        1, ge=1, le=64, description="parts of the layers, each on GPUs of its own"
    )
    data_parallel_size: int = Field(
        1, ge=1, le=64, description="copies of the model that share the requests"
    )
    expert_parallel: bool = Field(
        False, description="put whole experts on each GPU instead of a part of each expert"
    )
    speculative: Speculation | None = Field(
        None, description="draft tokens: `ngram:4`, `mtp:1`, `draft:MODEL:4`, `eagle3:MODEL:4` …"
    )
    adapters: AdapterPaths = Field(
        default_factory=dict,
        description="LoRA adapters, comma-separated: `name=directory` or `name=org/name`",
    )
    adapter_loading: CommaList = Field(
        default_factory=list,
        description="directories from which clients may load adapters, comma-separated",
    )
    max_adapters: int = Field(
        8, ge=1, le=1024, description="most adapters at once, where clients may load some"
    )
    max_adapter_rank: int = Field(16, ge=1, le=512, description="largest rank of an adapter")
    gpu_memory_utilization: float = Field(
        0.9, gt=0, le=1, description="fraction of GPU memory that the engine may use"
    )
    kv_cache_gib: float | None = Field(None, gt=0, description="size of the KV cache in GiB")
    kv_offload: float | None = Field(
        None, gt=0, description="GiB of the machine's memory for KV cache that leaves the GPUs"
    )
    prefix_caching: bool = Field(
        True, description="reuse the KV cache for prompts that begin alike"
    )
    chunked_prefill: bool = Field(
        True, description="read long prompts in parts, between the tokens of other answers"
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="seed of the engine; a request can have its own"
    )
    engine_args: JSONObject = Field(
        default_factory=dict, description="JSON object with the engine's own arguments"
    )
    engine_dir: str | None = Field(None, description="directory or store tag of a compiled model")
    engine_url: str | None = Field(
        None, description="address of a running engine server, so that none is started"
    )
    start_timeout: Seconds = Field(
        1800, description="seconds that the engine's server may take to start"
    )

    @property
    def gpus(self) -> int:
        """The GPUs that the engine takes, all together."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size

    @property
    def adapter_slots(self) -> int:
        """The adapters that the engine makes room for; 0 where there are none."""
        given = len(self.adapters)
        return max(given, self.max_adapters) if self.adapter_loading else given
