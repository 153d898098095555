"""What is compared: the servers, how each is asked, and the aims."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.overhead.measure import Load, Target
from benchmarks.overhead.report import Comparison
from benchmarks.overhead.servers import Server, ServerFailed, ServerSpec
from benchmarks.servers import PIECE

PROMPT = " ".join(
    f"Line {number}: a service streams what its engine makes, token by token."
    for number in range(1, 8)
)
"""Long enough that almost every echoed token is plain text."""
CHAT = "/v1/chat/completions"
VLLM_DEADLINE = 300.0
KV_CACHE_GIB = "1"


@dataclass(frozen=True)
class Plan:
    """`targets` needs the servers: ours tell what they will answer."""

    name: str
    servers: Sequence[ServerSpec]
    targets: Callable[[Mapping[str, Server]], list[Target]]
    comparisons: Sequence[Comparison]
    pinned: bool


def overhead_plan(load: Load, model: str | None) -> Plan:
    """An engine that costs nothing: what is left is the way of a token to the client."""
    bentoml = [sys.executable, "-m", "bentoml", "serve"]
    uvicorn = [sys.executable, "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools"]
    echo = {"MAX_CONCURRENCY": str(load.streams), **({"MODEL": model} if model else {})}
    return Plan(
        name="overhead",
        servers=[
            ServerSpec("echo", [*bentoml, "services.echo:Echo"], echo),
            ServerSpec("bentoml", [*bentoml, "benchmarks.servers.default_bento:DefaultBento"]),
            ServerSpec(
                "starlette",
                [*uvicorn, "--no-access-log", "benchmarks.servers.bare_starlette:app"],
            ),
        ],
        targets=lambda servers: _overhead_targets(load, servers["echo"]),
        comparisons=[
            Comparison("/generate", "default BentoML", at_least=3),
            Comparison("/generate", "bare Starlette", at_least=1 / 2),
            Comparison("chat completions", "default BentoML", at_least=2),
            Comparison("chat completions", "bare Starlette", at_least=1 / 3),
            Comparison("/generate", "default BentoML", of="cpu_per_1000"),
            Comparison("/generate", "bare Starlette", of="cpu_per_1000"),
            Comparison("chat completions", "default BentoML", of="cpu_per_1000"),
            Comparison("chat completions", "bare Starlette", of="cpu_per_1000"),
        ],
        pinned=True,
    )


def vllm_plan(load: Load, model: str, python: str, max_model_len: int) -> Plan:
    """The same engine behind our API process and behind vLLM's own."""
    shared = {"VLLM_CPU_KVCACHE_SPACE": KV_CACHE_GIB, "VLLM_NO_USAGE_STATS": "1"}
    ours = {
        **shared,
        "MODEL": model,
        "SERVED_MODEL_NAME": "demo",
        "MAX_MODEL_LEN": str(max_model_len),
        "MAX_CONCURRENCY": str(load.streams),
        "KV_CACHE_GIB": KV_CACHE_GIB,
    }
    theirs = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    theirs += ["--served-model-name", "demo", "--max-model-len", str(max_model_len)]
    theirs += ["--max-num-seqs", str(load.streams), "--enforce-eager", "--seed", "0"]
    theirs += ["--generation-config", "vllm"]
    bentoml = [python, "-m", "bentoml", "serve", "services.vllm:VLLM"]
    chat = {**_chat(load.tokens), "model": "demo", "temperature": 0}
    return Plan(
        name="vllm",
        servers=[
            ServerSpec("ours", bentoml, ours, deadline=VLLM_DEADLINE),
            ServerSpec("theirs", theirs, shared, "/health", VLLM_DEADLINE),
        ],
        targets=lambda servers: [
            Target("ours", "ours", CHAT, chat, "events", None),
            Target("vLLM's server", "theirs", CHAT, chat, "events", None),
        ],
        comparisons=[
            Comparison("ours", "vLLM's server", of="cpu_per_1000"),
            Comparison("ours", "vLLM's server"),
        ],
        pinned=False,
    )


def _overhead_targets(load: Load, echo: Server) -> list[Target]:
    prompt = {"prompt": PROMPT, "max_tokens": load.tokens}
    echoed = _echoed(load.tokens, echo)
    plain = PIECE * load.tokens
    generate = {**prompt, "ignore_eos": True}
    return [
        Target("/generate", "echo", "/generate", generate, "text", echoed),
        Target("chat completions", "echo", CHAT, _chat(load.tokens), "events", echoed),
        Target("default BentoML", "bentoml", "/generate", prompt, "text", plain),
        Target("bare Starlette", "starlette", "/generate", prompt, "text", plain),
    ]


def _echoed(tokens: int, echo: Server) -> str:
    """The text that every stream has to give, and the proof that it is so many tokens."""
    answer = echo.ask(CHAT, {**_chat(tokens), "stream": False, "stream_options": None})
    counted = answer["usage"]["completion_tokens"]
    if counted != tokens:
        raise ServerFailed(f"the echo counted {counted} tokens, not {tokens}")
    text: str = answer["choices"][0]["message"]["content"]
    return text


def _chat(tokens: int) -> dict[str, object]:
    return {
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
