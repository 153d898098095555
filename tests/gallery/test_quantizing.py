"""What the plan offers for a member, the builder that it names takes."""

import argparse
import importlib
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from build_scripts.builder import BuildError, Recipe, Source
from build_scripts.quantize.blocks import blocks
from build_scripts.quantize.samples import GENERAL_TEXT, Texts, read_samples
from common.models.errors import NotUnderstood
from common.models.facts import facts_of_directory
from common.plan.errors import Refused
from tests.gallery.conftest import Built
from tests.gallery.members import MEMBERS
from tests.plan.questions import TABLES, plan

OFFER = re.compile(r"python -m (build_scripts\.(?:awq|quantize)) ([^;]+)")
Make = Callable[[argparse.Namespace], Recipe]
SCHEMES = ("awq", "gptq", "fp8", "int8")


def offers(folder: Path) -> set[tuple[str, str]]:
    """Returns the builders and their arguments that plans of every engine name."""
    facts = facts_of_directory(folder)
    found: set[tuple[str, str]] = set()
    for backend in TABLES:
        for scheme in SCHEMES:
            try:
                plan(backend, facts, "h100", quantization=scheme, max_model_len=1024)
            except (Refused, NotUnderstood) as error:
                found |= set(OFFER.findall(str(error)))
    return found


def check(module: str, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks the source as the builder does before it runs anything. Raises BuildError."""
    builder = importlib.import_module(module if module.endswith("awq") else f"{module}.__main__")

    def checked(
        parser: argparse.ArgumentParser, recipe: Callable[[argparse.Namespace], Recipe]
    ) -> int:
        options = parser.parse_args(shlex.split(arguments))
        recipe(options).check(Source(Path(options.model), options.model, None))
        return 0

    monkeypatch.setattr(builder.cli, "run", checked)
    assert builder.main() == 0


@pytest.mark.parametrize("name", MEMBERS)
def test_an_offer_is_taken(built: Built, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schemes calibrate with the same text, which takes longest to read."""
    monkeypatch.setattr("build_scripts.quantize.recipe.blocks", cache(blocks))
    for module, arguments in sorted(offers(built(name))):
        check(module, arguments, monkeypatch)


@pytest.mark.parametrize("name", ["llama-3.1", "mistral", "mixtral", "phi-4"])
def test_a_usual_model_is_offered_something(built: Built, name: str) -> None:
    commands = {module for module, _ in offers(built(name))}
    assert commands == {"build_scripts.awq", "build_scripts.quantize"}


@pytest.mark.parametrize("name", ["mistral-small-3.1", "gemma-3-nested", "qwen-2.5-vl"])
def test_a_model_of_several_parts_is_offered_nothing(built: Built, name: str) -> None:
    assert not offers(built(name))


def test_a_refusal_says_why_nothing_is_made(built: Built) -> None:
    facts = facts_of_directory(built("gemma-3-nested"))
    with pytest.raises(Refused, match=r"none is made here: .* takes more than text"):
        plan("vllm", facts, "h100", quantization="awq")


def test_the_builder_refuses_what_the_plan_does_not_offer(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built("gemma-3-nested")
    with pytest.raises(BuildError, match="takes more than text"):
        check("build_scripts.awq", f"--model {folder}", monkeypatch)


@pytest.mark.parametrize("name", ["mixtral", "gemma-2", "llama-2-chat", "falcon"])
def test_the_default_text_is_what_the_template_takes_of_it(built: Built, name: str) -> None:
    """Turns have to alternate in these, and none of them knows tools."""
    taken = Texts(built(name)).samples(GENERAL_TEXT)
    everything = read_samples(GENERAL_TEXT)
    assert len(everything) / 2 < len(taken) < len(everything)
    assert not [sample for sample in taken if sample.tools and "tool_calls" in str(sample.messages)]


def test_a_users_text_that_the_template_refuses_is_named(built: Built, tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('{"messages": [{"role": "system", "content": "Hush"}], "answer": "yes"}')
    texts = Texts(built("gemma-2"))
    with pytest.raises(BuildError, match=r"own.jsonl, line 1: .* takes no system message"):
        texts.ids(texts.samples(file))
