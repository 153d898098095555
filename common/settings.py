"""One typed set of settings for every backend, from `--arg name=value` and the environment."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from common.errors import StartError
from common.messages import closest, nearest


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


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address such as http://collector:4318")
    return value


JSONObject = Annotated[dict[str, Any], BeforeValidator(_json_object)]
CommaList = Annotated[list[str], BeforeValidator(_comma_list)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class Settings(BaseModel):
    """Set by `--arg max_model_len=4096` (baked into a bento) or by `MAX_MODEL_LEN` (wins)."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str | None = Field(
        None, description="directory, hub id or store tag; without one, the demo model"
    )
    served_model_name: str | None = Field(None, description="the model's name for clients")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
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
    tensor_parallel_size: int = Field(1, ge=1, le=64, description="GPUs that share the model")
    gpu_memory_utilization: float = Field(
        0.9, gt=0, le=1, description="fraction of GPU memory that the engine may use"
    )
    kv_cache_gib: float | None = Field(None, gt=0, description="size of the KV cache in GiB")
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

    system_prompt: str | None = Field(
        None, description="system prompt of /generate for requests without one"
    )
    chat_template: str | None = Field(
        None, description="Jinja file that replaces the model's chat template"
    )
    tool_format: Literal["auto", "hermes", "llama3_json", "none"] = Field(
        "auto", description="format of tool calls: `auto`, `hermes`, `llama3_json`, `none`"
    )

    max_concurrency: int = Field(256, ge=1, description="answers that are generated at once")
    max_queue: int = Field(1024, ge=0, description="answers that may wait; more get 429")
    queue_timeout: Seconds = Field(60, description="seconds a request may wait, then 503")
    first_token_timeout: Seconds = Field(
        120, description="seconds from the end of the wait to the first token, then 504"
    )
    drain_timeout: float = Field(
        60, ge=0, le=86400, description="seconds that running requests may still take at a stop"
    )
    probe_interval: Seconds = Field(
        60, description="seconds without a token after which /readyz tests the engine with one"
    )
    max_body_bytes: int = Field(
        8 * 2**20, ge=1024, description="largest body of a request; a larger one gets 413"
    )
    max_header_bytes: int = Field(
        32768,
        ge=4096,
        le=2**20,
        description="most bytes of headers and URL, else 431; of the URL a quarter, else 414",
    )

    api_keys: CommaList = Field(
        default_factory=list,
        repr=False,
        description="keys of clients, comma-separated; without any, everybody is served",
    )
    cors_origins: CommaList = Field(
        default_factory=list, description="origins of web pages that may call, comma-separated"
    )
    docs: bool = Field(True, description="serve `/`, `/docs.json` and `/schema.json`")
    metrics_public: bool = Field(True, description="serve `/metrics` without an API key")
    otlp_endpoint: Annotated[str, AfterValidator(_url)] | None = Field(
        None, description="OpenTelemetry collector for traces, OTLP over HTTP"
    )
    trace_ratio: float = Field(
        1, ge=0, le=1, description="share of requests traced, where the caller has not decided"
    )

    @property
    def changed(self) -> frozenset[str]:
        """Returns the names of the settings that differ from their defaults."""
        fields = type(self).model_fields
        return frozenset(
            name
            for name in self.model_fields_set
            if getattr(self, name) != fields[name].get_default(call_default_factory=True)
        )


def load_settings(arguments: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Returns the settings of this process; the environment wins over the arguments.

    Raises StartError, one line, for an unknown argument or a bad value.
    """
    names = Settings.model_fields
    for name in arguments:
        if name not in names:
            raise StartError(_unknown(name, list(names)))
    values = dict(arguments)
    values.update({n: environment[n.upper()] for n in names if environment.get(n.upper())})
    try:
        return Settings(**values)
    except ValidationError as error:
        raise StartError(_describe(error)) from None


def misspelt(environment: Mapping[str, str]) -> list[str]:
    """Returns a warning for each variable that is nearly a setting, and has no effect.

    The environment is shared with other programs, so this cannot be an error.
    """
    known = [name.upper() for name in Settings.model_fields]
    return [
        f"the variable {name} is no setting (did you mean {match}?)"
        for name in environment
        if name not in known and (match := closest(name, known, 0.88))
    ]


def _unknown(name: str, known: list[str]) -> str:
    return f"unknown setting {name!r}{nearest(name, known)}; allowed are: {', '.join(known)}"


def _describe(error: ValidationError) -> str:
    """Returns one line for the first problem, never the value of a secret."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    given = "" if name == "api_keys" else f", not {first['input']!r}"
    return f"setting {name!r}: {first['msg'][0].lower()}{first['msg'][1:]}{given}"
