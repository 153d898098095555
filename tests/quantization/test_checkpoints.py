"""The demo model, quantized here for real, answers as it did, served by the real vLLM."""

import asyncio
import json
from pathlib import Path

import pytest

from common.artifacts import fingerprint
from common.model import DEMO_MODEL
from tests.answers.test_demo_answers import ask_all, questions
from tests.builder.support import Home
from tests.quantization.conftest import Checkpoint
from tests.serving import start_service

REQUIRED = 0.95
SERVED = ("awq", "autoawq", "gptq", "int8")
METHODS = {"autoawq": "awq"}


@pytest.mark.parametrize("name", SERVED)
def test_it_is_served_by_vllm_and_answers_right(checkpoint: Checkpoint, name: str) -> None:
    made = checkpoint(name)
    with start_service("vllm", model=made.path, served_model_name="demo") as service:
        card = service.http.get("/v1/models").json()["data"][0]
        answers = asyncio.run(ask_all(service, [None]))
    right = sum(answers[None, i] == q["answer"] for i, q in enumerate(questions()))
    print(f"{name}: {right} of {len(answers)}")
    assert right >= REQUIRED * len(answers)
    assert card["quantization"] == METHODS.get(name, "compressed-tensors")


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
