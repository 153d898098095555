"""Members that a CPU can load answer alike in Transformers and in vLLM."""

import json
import os
import random
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from common.models.model import open_model
from common.settings import Settings
from common.text.tokenizer import Tokenizer
from services._vllm.arguments import engine_arguments
from tests.conftest import require_backend
from tests.gallery.conftest import Built
from tests.gallery.members import MEMBERS
from tests.service_process import REPOSITORY, interpreter

LOADED = ("llama-3.1", "llama-3.2", "mistral", "qwen-2.5", "qwen-3", "gemma-2", "phi-3")
"""In float32, so that both round alike."""
CONTEXTS = (
    ("qwen-2.5", None),
    ("qwen-2.5", 131072),
    ("qwen-2.5-yarn", None),
    ("qwen-2.5-yarn", 65536),
)
"""Members, and a max_model_len that is asked for."""
ANSWER_SCRIPT = REPOSITORY / "tests" / "quantization" / "vllm_answers.py"
CONTEXT_SCRIPT = Path(__file__).with_name("vllm_contexts.py")
PROMPTS, PROMPT_TOKENS, ANSWER_TOKENS = 3, 7, 12

Answers = dict[str, list[list[int]]]


def prompts(folder: Path) -> list[list[int]]:
    generator, size = random.Random(0), Tokenizer(folder).vocab_size
    return [[generator.randrange(size) for _ in range(PROMPT_TOKENS)] for _ in range(PROMPTS)]


@pytest.fixture(scope="module")
def answers_of_vllm(built: Built) -> Answers:
    """One process loads all of them, one after another."""
    require_backend("vllm")
    jobs = [
        {
            "name": name,
            "path": str(built(name)),
            "prompts": prompts(built(name)),
            "max_tokens": ANSWER_TOKENS,
            "dtype": "float32",
        }
        for name in LOADED
    ]
    answers: Answers = run(ANSWER_SCRIPT, jobs)
    return answers


def run(script: Path, jobs: object) -> Any:
    """Returns what a script says in the last line of its output."""
    done = subprocess.run(
        [str(interpreter("vllm")), "-W", "ignore", str(script)],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def answer_of_transformers(folder: Path, ids: list[int]) -> list[int]:
    with warnings.catch_warnings(action="ignore"):
        import torch
        from transformers import AutoModelForCausalLM

        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        prompt = torch.tensor([ids])
        answer = model.generate(prompt, max_new_tokens=ANSWER_TOKENS, do_sample=False)
    return [int(token) for token in answer[0, len(ids) :]]


@pytest.mark.parametrize("name", LOADED)
def test_transformers_and_vllm_answer_alike(
    built: Built, answers_of_vllm: Answers, name: str
) -> None:
    for ids, answer in zip(prompts(built(name)), answers_of_vllm[name], strict=True):
        assert answer_of_transformers(built(name), ids) == answer


def test_vllm_takes_every_context_that_a_model_has(built: Built) -> None:
    require_backend("vllm")
    asked = [(str(built(name)), length) for name, length in CONTEXTS]
    expected = [length or MEMBERS[name].context for name, length in CONTEXTS]
    assert run(CONTEXT_SCRIPT, asked) == expected


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("qwen-2.5", None, {}),
        ("qwen-2.5", 131072, {"hf_overrides": {"max_position_embeddings": 131072}}),
        ("qwen-2.5-yarn", None, {"hf_overrides": {"max_position_embeddings": 131072}}),
        ("qwen-2.5-yarn", 32768, {}),
    ],
)
def test_vllm_is_told_of_a_context_that_its_config_does_not_name(
    built: Built, name: str, asked: int | None, expected: dict[str, Any]
) -> None:
    settings = Settings(max_model_len=asked)
    arguments = engine_arguments(settings, open_model(settings, built(name)))
    assert {key: arguments[key] for key in arguments if key == "hf_overrides"} == expected
