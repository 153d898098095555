"""The demo model, quantized here for real, answers as it did, served by the real vLLM."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from common.models.artifacts import fingerprint
from common.models.facts import facts_of_directory
from common.models.model import DEMO_MODEL
from tests.answers.test_demo_answers import ask_all, questions
from tests.builder.support import Home
from tests.contract.support import CHAT, user
from tests.quantization.conftest import Checkpoint
from tests.service_process import start_service

REQUIRED = 0.95
SERVED = ("awq", "autoawq", "gptq", "int8")
EAGER = {"enforce_eager": True}
"""A start without compilation takes a third less."""
METHODS = {"autoawq": "awq"}


@pytest.mark.parametrize("name", SERVED)
def test_it_is_served_by_vllm_and_answers_right(checkpoint: Checkpoint, name: str) -> None:
    made = checkpoint(name)
    settings: dict[str, Any] = {"model": made.path, "served_model_name": "demo"}
    with start_service("vllm", engine_args=EAGER, **settings) as service:
        card = service.http.get("/v1/models").json()["data"][0]
        answers = asyncio.run(ask_all(service, [None]))
    right = sum(answers[None, i] == q["answer"] for i, q in enumerate(questions()))
    print(f"{name}: {right} of {len(answers)}")
    assert right >= REQUIRED * len(answers)
    assert card["quantization"] == METHODS.get(name, "compressed-tensors")


@pytest.mark.parametrize("name", ["gptq", "fp8"])
def test_it_is_served_by_transformers(checkpoint: Checkpoint, name: str) -> None:
    with start_service("transformers", model=checkpoint(name).path) as service:
        for question in [each for each in questions() if "tools" not in each][::40]:
            body = {"messages": question["messages"], "temperature": 0}
            response = service.http.post(CHAT, json=body).json()
            assert response["choices"][0]["message"]["content"] == question["answer"]


def test_fp8_is_right_on_the_cpu_of_vllm_and_takes_its_time(checkpoint: Checkpoint) -> None:
    with start_service("vllm", model=checkpoint("fp8").path, engine_args=EAGER) as service:
        body = {"messages": user("What is the capital of France?"), "temperature": 0}
        response = service.http.post(CHAT, json={**body, "max_tokens": 5}).json()
    assert response["choices"][0]["message"]["content"] == "The capital of France is"


def test_zero_points_are_what_transformers_refuses(checkpoint: Checkpoint) -> None:
    service = start_service("transformers", model=checkpoint("awq").path, wait=False)
    with service:
        assert service.process.wait(60) == 1
        errors = [line for line in service.log_text().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "that are symmetric" in errors[0]


@pytest.mark.parametrize("name", [*SERVED, "fp8"])
def test_nothing_of_the_model_is_lost(checkpoint: Checkpoint, name: str) -> None:
    made = checkpoint(name)
    for file in DEMO_MODEL.iterdir():
        copied = made.path / file.name
        assert copied.is_file(), file.name
        if file.name in ("tokenizer.json", "generation_config.json", "chat_template.jinja"):
            assert copied.read_bytes() == file.read_bytes()
    before = json.loads((DEMO_MODEL / "config.json").read_text())
    after = json.loads((made.path / "config.json").read_text())
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
    checkpoint: Checkpoint, home: Path
) -> None:
    made = checkpoint("awq")
    assert "is there already" in Home(home, "build_scripts.awq").run(
        "--samples", "32", "--no-quality"
    )
    manifest = made.manifest
    assert manifest.tools.keys() >= {"llmcompressor", "compressed-tensors", "torch"}
    assert manifest.fingerprint == fingerprint.fingerprint(DEMO_MODEL)
    assert (manifest.kind, manifest.scheme, manifest.gpu) == ("checkpoint", "awq", None)


def test_what_was_lost_is_measured_and_recorded(home: Path, tmp_path: Path) -> None:
    lines = (DEMO_MODEL / "questions.jsonl").read_text("utf-8").splitlines()[::20]
    asked = tmp_path / "questions.jsonl"
    asked.write_text("\n".join(lines), "utf-8")
    maker = Home(home, "build_scripts.awq")
    arguments = ("--samples", "16", "--sequence-length", "256", "--questions", str(asked))
    results = maker.build(*arguments).manifest.results
    assert results["exact_answers"]["before"] == 1
    assert results["exact_answers"]["after"] >= REQUIRED
    assert results["measured_on"]["questions"] == len(lines)
    perplexity = results["perplexity"]
    assert perplexity["before"] > 1
    assert 0.5 < perplexity["after"] / perplexity["before"] < 1.5
