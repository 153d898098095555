"""Engines in the tests' own process, and directories with compiled ones."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from common.engine import Chunk, GenerateRequest
from common.models.model import DEMO_MODEL, Model, open_model
from common.sampling import Sampling
from common.settings import Settings
from services.tensorrt_llm import TensorRTLLMEngine

END = 2
"""The demo model's only end token."""
UNSURE = (52, 91, 93, 311, 77, 328, 71, 224, 28)
"""A prompt to which the demo model knows no answer: "Qxz fjord 9"."""
ENGINE_DIR_LENGTH = 4096


def demo_model(settings: Settings) -> Model:
    return open_model(settings, DEMO_MODEL)


@asynccontextmanager
async def running_engine(**values: Any) -> AsyncIterator[TensorRTLLMEngine]:
    settings = Settings(**values)
    engine = TensorRTLLMEngine(settings, demo_model(settings))
    try:
        await engine.start(lambda _: None)
        yield engine
    finally:
        await engine.stop()


def request(max_tokens: int = 2000, name: str = "a", **fields: Any) -> GenerateRequest:
    """Nothing ends the answer; the greedy one has the end token as its sixth."""
    fields = {"temperature": 0.0, **fields}
    return GenerateRequest(name, UNSURE, Sampling(max_tokens=max_tokens, **fields))


async def chunks(engine: TensorRTLLMEngine, asked: GenerateRequest) -> list[Chunk]:
    return [piece async for piece in engine.generate(asked)]


async def ids(engine: TensorRTLLMEngine, asked: GenerateRequest) -> list[int]:
    return [token for piece in await chunks(engine, asked) for token in piece.token_ids]


def sequences(engine: TensorRTLLMEngine) -> int:
    """How many the engine itself has under way."""
    count: int = engine._llm._executor.generator.running
    return count


def compiled_engine(directory: Path, capability: str | None = "8.0", **build: Any) -> Path:
    """As trtllm-build leaves it; with `capability` also our builder's note."""
    directory.mkdir(exist_ok=True)
    config = {
        "version": "1.2.1",
        "pretrained_config": {
            "architecture": "LlamaForCausalLM",
            "dtype": "bfloat16",
            "vocab_size": 768,
            "mapping": {"world_size": 1, "tp_size": 1},
        },
        "build_config": {
            "max_seq_len": ENGINE_DIR_LENGTH,
            "max_batch_size": 64,
            "plugin_config": {"use_paged_context_fmha": True},
            **build,
        },
    }
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    (directory / "rank0.engine").write_text(str(DEMO_MODEL), "utf-8")
    if capability is not None:
        note = {"compute_capability": capability, "gpu": "Some GPU"}
        (directory / "build.json").write_text(json.dumps(note), "utf-8")
    return directory
