"""The demo model, quantized here for real, answers as it did, by the real vLLM."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from build_scripts.quantize.samples import Texts, read_samples
from common.models.artifacts import fingerprint
from common.models.config import read_config
from common.models.facts import facts_of_directory
from common.models.model import DEMO_MODEL, open_model
from common.plan import at_start
from common.plan.errors import Refused
from common.settings import Settings
from common.text.tokenizer import Tokenizer
from services.transformers import TransformersEngine
from tests.answers.conftest import questions
from tests.builder.support import Home
from tests.contract.support import CHAT
from tests.quantization.conftest import EVERY, FOUR_BITS, HAS_KERNEL, MAKERS, Checkpoint
from tests.refusals import refusal
from tests.service_process import interpreter, start_service

REQUIRED = 0.95
IN_ONE_PROCESS = ("autoawq", "gptq", "int8")
SLOW = "fp8"
"""On a CPU: one answer is enough."""
SCRIPT = Path(__file__).with_name("vllm_answers.py")


@pytest.fixture(scope="session")
def answers(checkpoint: Checkpoint) -> dict[str, list[str]]:
    """What the real vLLM generates greedily. One process imports it once for all checkpoints,
    which takes longer than to answer."""
    prompts = Texts(DEMO_MODEL).prompts(read_samples(DEMO_MODEL / "questions.jsonl"))
    jobs: list[dict[str, Any]] = [
        {"name": name, "path": str(checkpoint(name).path), "prompts": prompts, "max_tokens": 400}
        for name in IN_ONE_PROCESS
        if HAS_KERNEL or name not in FOUR_BITS
    ]
    path = str(checkpoint(SLOW).path)
    jobs.append({"name": SLOW, "path": path, "prompts": prompts[:1], "max_tokens": 5})
    command = [str(interpreter("vllm")), "-W", "ignore", str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    decode, ends = Tokenizer(DEMO_MODEL).decode, read_config(DEMO_MODEL).end_token_ids
    return {
        name: [decode([token for token in ids if token not in ends]) for ids in answers]
        for name, answers in json.loads(done.stdout.splitlines()[-1]).items()
    }


@pytest.mark.parametrize("name", IN_ONE_PROCESS)
def test_vllm_loads_it_and_answers_right(answers: dict[str, list[str]], name: str) -> None:
    if name not in answers:
        pytest.skip("vLLM's kernel for 4 bits needs a CPU with AVX-512")
    expected = [question["answer"] for question in questions()]
    right = sum(text == answer for text, answer in zip(answers[name], expected, strict=True))
    print(f"{name}: {right} of {len(expected)}")
    assert right >= REQUIRED * len(expected)


@pytest.mark.skipif(HAS_KERNEL, reason="this CPU has AVX-512")
@pytest.mark.parametrize("name", FOUR_BITS)
def test_on_another_cpu_vllm_says_so_before_it_loads(checkpoint: Checkpoint, name: str) -> None:
    line = refusal("vllm", model=checkpoint(name).path)
    assert "on this CPU: its kernel for 4 bits needs AVX-512" in line


def test_fp8_is_right_on_the_cpu_of_vllm_and_takes_its_time(answers: dict[str, list[str]]) -> None:
    (text,) = answers[SLOW]
    assert text
    assert questions()[0]["answer"].startswith(text)


@pytest.mark.parametrize("name", ["gptq", "fp8"])
def test_it_is_served_by_transformers(checkpoint: Checkpoint, name: str) -> None:
    with start_service("transformers", model=checkpoint(name).path) as service:
        for question in [each for each in questions() if "tools" not in each][::40]:
            body = {"messages": question["messages"], "temperature": 0}
            response = service.http.post(CHAT, json=body).json()
            assert response["choices"][0]["message"]["content"] == question["answer"]


def test_zero_points_are_what_transformers_refuses(checkpoint: Checkpoint) -> None:
    settings = Settings(model=str(checkpoint("awq").path))
    model = open_model(settings, checkpoint("awq").path)
    with pytest.raises(Refused, match="that are symmetric"):
        at_start.check(TransformersEngine, settings, model)


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_of_the_model_is_lost(checkpoint: Checkpoint, name: str) -> None:
    built = checkpoint(name)
    for file in DEMO_MODEL.iterdir():
        copied = built.path / file.name
        assert copied.is_file(), file.name
        if file.name in ("tokenizer.json", "generation_config.json", "chat_template.jinja"):
            assert copied.read_bytes() == file.read_bytes()
    before = json.loads((DEMO_MODEL / "config.json").read_text())
    after = json.loads((built.path / "config.json").read_text())
    dtypes = {"dtype", "torch_dtype"}
    assert {n: v for n, v in before.items() if n not in dtypes}.items() <= after.items()


@pytest.mark.parametrize(
    ("name", "scheme", "form", "dtype"),
    [
        ("awq", "awq", "compressed-tensors-w4a16", "bfloat16"),
        ("autoawq", "awq", "autoawq-gemm", "float16"),
        ("gptq", "gptq", "compressed-tensors-w4a16", "bfloat16"),
        ("int8", "int8", "compressed-tensors-int8", "bfloat16"),
        ("fp8", "fp8", "compressed-tensors-fp8", "bfloat16"),
    ],
)
def test_its_size_is_what_the_plan_has_foretold(
    checkpoint: Checkpoint, name: str, scheme: str, form: str, dtype: str
) -> None:
    foretold = facts_of_directory(DEMO_MODEL).predict(scheme, form, dtype)
    on_disk = sum(file.stat().st_size for file in checkpoint(name).path.glob("*.safetensors"))
    assert foretold == pytest.approx(on_disk, rel=0.01)


def test_the_same_is_not_built_again_and_the_record_names_the_tools(
    checkpoint: Checkpoint, home: Path, commands: dict[str, tuple[str, ...]]
) -> None:
    built = checkpoint("awq")
    module, *arguments = commands["awq"]
    assert "is there already" in Home(home, module).run(*arguments)
    manifest = built.manifest
    assert manifest.tools.keys() >= {"llmcompressor", "compressed-tensors", "torch"}
    assert manifest.fingerprint == fingerprint.fingerprint(DEMO_MODEL)
    assert (manifest.kind, manifest.scheme, manifest.gpu) == ("checkpoint", "awq", None)


def test_what_was_lost_is_measured_and_recorded(checkpoint: Checkpoint) -> None:
    results = checkpoint("awq").manifest.results
    assert results["exact_answers"]["before"] == 1
    assert results["exact_answers"]["after"] >= REQUIRED
    assert results["measured_on"]["questions"] == len(questions()[::EVERY])
    perplexity = results["perplexity"]
    assert perplexity["before"] > 1
    assert 0.5 < perplexity["after"] / perplexity["before"] < 1.5
