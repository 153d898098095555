"""One typed set of settings for every backend, from `--arg name=value` and the environment."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError

from common.engine_settings import CommaList, EngineSettings, Seconds
from common.errors import StartError
from common.messages import closest, nearest


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address such as http://collector:4318")
    return value


MAY_BE_SECRET = ("api_keys", "engine_args", "engine_url", "otlp_endpoint")
"""Settings whose values are a secret, or may hold one."""


class Settings(EngineSettings):
    """Set by `--arg max_model_len=4096` (baked into a bento) or by `MAX_MODEL_LEN` (wins)."""

    system_prompt: str | None = Field(
        None, description="system prompt of /generate for requests without one"
    )
    chat_template: str | None = Field(
        None, description="Jinja file that replaces the model's chat template"
    )
    tool_format: Literal[
        "auto", "hermes", "llama3_json", "pythonic", "mistral", "mistral_list", "deepseek_v3",
        "deepseek_v31", "kimi", "harmony", "granite", "phi4_mini", "nemotron", "nemotron_4",
        "cohere", "command_r", "hunyuan", "qwen3_coder", "glm", "minimax_m2", "seed", "lfm2",
        "none",
    ] = Field(
        "auto", description="format of tool calls: `auto`, `none`, or one in docs/tool_calls.md"
    )  # fmt: skip
    reasoning: Literal[
        "auto", "think", "mistral", "cohere", "seed", "hunyuan", "granite", "granite_phrases",
        "harmony", "none",
    ] = Field(
        "auto", description="format of reasoning: `auto`, `none`, or one in docs/reasoning.md"
    )  # fmt: skip
    image_urls: CommaList = Field(
        default_factory=list,
        description="hosts whose images may be fetched, comma-separated; `*` for all, else none",
    )
    max_images: int = Field(8, ge=1, le=1024, description="most images of a request")
    max_image_bytes: int = Field(
        8 * 2**20, ge=1024, description="largest file of an image, in bytes"
    )
    max_image_pixels: int = Field(
        2**24, ge=1024, description="most pixels of an image, its width times its height"
    )
    reasoning_field: Literal["reasoning", "reasoning_content", "both"] = Field(
        "reasoning", description="name of it in answers: `reasoning`, `reasoning_content`, `both`"
    )

    max_concurrency: int = Field(256, ge=1, description="answers that are generated at once")
    max_queue: int = Field(1024, ge=0, description="requests that may wait; more get 429")
    max_queue_wait: Seconds = Field(
        10, description="seconds that the queue may need by its speed; more get 429"
    )
    standing_queue_wait: Seconds | None = Field(
        None,
        description="the same for a queue that has not been empty for `max_queue_wait`; not set, "
        "as long as a first token takes; the value of `max_queue_wait` turns it off",
    )
    max_request_answers: int = Field(
        256, ge=1, description="answers to one request, prompts times `n`; more get 400"
    )
    stream_interval: int = Field(
        1, ge=1, le=32, description="tokens in each piece of a stream but the first and the last"
    )
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
    stall_timeout: Seconds = Field(
        60,
        description="seconds without any token, and one more per 100 tokens of the prompts that "
        "came meanwhile, after which an engine that has work is stalled; then 503",
    )
    stall_grace: Seconds = Field(
        60, description="seconds after which a stalled engine is dead unless a token has come"
    )
    exit_when_dead: bool = Field(
        False, description="end with code 1 when the engine has died, to be started anew"
    )
    header_timeout: Seconds = Field(
        10, description="seconds in which a request's headers have to come, else 408"
    )
    body_timeout: Seconds = Field(
        60, description="seconds in which a request's body has to come, else 408"
    )
    keep_alive_timeout: Seconds = Field(
        75, description="seconds that a connection may wait between two requests"
    )
    max_connections: int = Field(
        4096, ge=16, description="open connections; for one more, the oldest that waits is closed"
    )
    max_connections_per_address: int = Field(
        2048, ge=16, description="those of one address, which may be that of a proxy"
    )
    max_new_connections: int = Field(
        1024, ge=16, description="those that have sent no request yet, or none with a valid key"
    )
    max_body_bytes: int = Field(
        8 * 2**20, ge=1024, description="largest body of a request; a larger one gets 413"
    )
    max_bodies_bytes: int = Field(
        128 * 2**20,
        ge=2**20,
        description="bytes of all large bodies that are being read; for more, the oldest gets 429",
    )
    max_body_values: int = Field(
        262144, ge=1024, description="values in a body, such as token ids; with more it gets 413"
    )
    max_body_objects: int = Field(
        10000, ge=1024, description="JSON objects in a body, such as messages; with more, 413"
    )
    max_header_bytes: int = Field(
        32768,
        ge=4096,
        le=2**20,
        description="most bytes of headers and URL, else 431; of the URL a quarter, else 414",
    )

    unknown_fields: Literal["refuse", "warn", "ignore"] = Field(
        "refuse", description="what unknown request fields do: `refuse`, `warn`, `ignore`"
    )

    api_keys: CommaList = Field(
        default_factory=list,
        repr=False,
        description="keys of clients, comma-separated; without any, everybody is served",
    )
    api_keys_file: str | None = Field(
        None, description="TOML file of further keys, with names and limits: docs/operations.md"
    )
    batch_dir: str | None = Field(
        None, description="directory of /v1/files and /v1/batches; without one they are off"
    )
    max_batch_bytes: int = Field(
        200 * 2**20, ge=1024, description="largest file of a batch; a larger one gets 413"
    )
    max_batch_lines: int = Field(50_000, ge=1, description="most requests of a batch")
    batch_concurrency: int = Field(
        32, ge=1, description="requests of batches that are in the engine or wait for it at once"
    )
    cors_origins: CommaList = Field(
        default_factory=list, description="origins of web pages that may call, comma-separated"
    )
    docs: bool = Field(
        True, description="serve the chat at `/`, `/docs`, `/openapi.json` and BentoML's pages"
    )
    metrics_public: bool = Field(True, description="serve `/metrics` without an API key")
    otlp_endpoint: Annotated[str, AfterValidator(_url)] | None = Field(
        None, description="OpenTelemetry collector for traces, OTLP over HTTP"
    )
    trace_ratio: float = Field(
        1, ge=0, le=1, description="share of requests traced, where the caller has not decided"
    )

    @property
    def needs_keys(self) -> bool:
        """Whether clients have to send an API key."""
        return bool(self.api_keys) or self.api_keys_file is not None

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
    given = "" if name in MAY_BE_SECRET else f", not {first['input']!r}"
    return f"setting {name!r}: {first['msg'][0].lower()}{first['msg'][1:]}{given}"
