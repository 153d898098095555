"""What a service knows of each member once it has started, and an answer of it."""

import re
from pathlib import Path

import pytest

from common.models.architectures import FAMILIES
from common.models.config import ModelConfig
from common.models.facts import ModelFacts, facts_of_directory
from common.models.model import open_model
from common.settings import Settings
from common.text.chat import open_chat
from common.text.chat_template import load_chat_template
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import detect_format
from tests.gallery.conftest import Built
from tests.gallery.members import MEMBERS
from tests.in_process import echo_runtime

COUNTED = [
    name for name, member in MEMBERS.items() if member.weights != "none" and member.nested is None
]


@pytest.mark.parametrize("name", MEMBERS)
def test_end_tokens_context_and_number_format_are_the_models(built: Built, name: str) -> None:
    member, folder = MEMBERS[name], built(name)
    model = open_chat(Settings(), open_model(Settings(), folder)).model
    tokenizer = Tokenizer(folder)
    assert model.end_token_ids == set(member.ids(tokenizer.fast, member.ends))
    assert model.max_model_len == member.context
    assert model.dtype == member.dtype
    assert facts_of_directory(folder).dtype == member.dtype


@pytest.mark.parametrize("name", MEMBERS)
async def test_a_question_is_answered_and_contradictions_are_named_once(
    built: Built, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Echo says the prompt again, so its answer has the question in it, as reasoning where the
    prompt begins that."""
    runtime, client = await echo_runtime(built(name), max_model_len=2048)
    caplog.clear()
    question = {"role": "user", "content": "How warm is it in Rome?"}
    body = {"messages": [question], "max_tokens": 200, "ignore_eos": True}
    async with client:
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    message = answer.json()["choices"][0]["message"]
    assert "Rome?" in message["reasoning" if MEMBERS[name].begun == "open" else "content"]
    assert runtime.model.max_model_len == 2048


@pytest.mark.parametrize("name", MEMBERS)
async def test_files_that_contradict_each_other_are_named(
    built: Built, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    await echo_runtime(built(name))
    ours = [record for record in caplog.records if record.name.startswith("bentoml")]
    texts = [record.getMessage() for record in ours if record.levelname == "WARNING"]
    # A processor of images reads files that no member has.
    warnings = [text for text in texts if not text.startswith("images are refused")]
    for words in MEMBERS[name].warns:
        assert sum(words in warning for warning in warnings) == 1, words
    if not MEMBERS[name].warns:
        assert warnings == []


@pytest.mark.parametrize("name", COUNTED)
def test_the_plan_counts_the_bytes_of_the_files(built: Built, name: str) -> None:
    folder = built(name)
    facts = facts_of_directory(folder)
    by_config = ModelFacts(name, ModelConfig(facts.config.values))
    on_disk = sum(numbers(file) for file in folder.glob("*.safetensors"))
    if MEMBERS[name].weights != "bin":
        assert facts.file_bytes == on_disk
    if facts.config.dtype is not None:
        assert by_config.file_bytes == facts.file_bytes


def numbers(file: Path) -> int:
    """Returns the bytes of a file of safetensors behind its header."""
    with file.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    return file.stat().st_size - 8 - header


def test_the_sizes_that_a_published_config_leaves_out_are_counted(built: Built) -> None:
    facts = facts_of_directory(built("gemma-3-nested"))
    assert facts.config.model_type in FAMILIES
    assert (facts.config.vocab_size, facts.config.heads) == (262208, 8)
    assert facts.file_bytes == pytest.approx(2 * 3.88e9, rel=0.01)


@pytest.mark.parametrize("name", MEMBERS)
def test_the_format_of_tool_calls_is_found_out(built: Built, name: str) -> None:
    template = load_chat_template(built(name), Tokenizer(built(name)), None)
    assert template is not None
    assert detect_format(template.source_with_tools) == MEMBERS[name].tools


@pytest.mark.parametrize("name", MEMBERS)
async def test_how_a_model_reasons_is_found_out(built: Built, name: str) -> None:
    member = MEMBERS[name]
    runtime, client = await echo_runtime(built(name))
    async with client:
        card = (await client.get("/v1/models")).json()["data"][0]
    assert card["reasoning"] == member.reasoning
    prompts = runtime.prompts
    assert list(prompts.switches(on=False)) == [member.switch] * (member.switch is not None)
    text = prompts.render([{"role": "user", "content": "How warm is it in Rome?"}])
    thinking = prompts.thinking(text)
    said = {True: "open", None: "unsaid"}[thinking.begun] if thinking else "closed"
    assert said == (member.begun if member.reasoning else "closed")


def test_a_longer_context_can_be_asked_for_where_the_tokenizer_has_it(built: Built) -> None:
    folder = built("qwen-2.5")
    longest = open_model(Settings(max_model_len=131072), folder)
    assert longest.max_model_len == 131072
    with pytest.raises(Exception, match=re.escape("131073 is more than the model's 131072")):
        open_model(Settings(max_model_len=131073), folder)
