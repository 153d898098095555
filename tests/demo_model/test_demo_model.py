"""The committed demo model: its questions, tokenizer, chat template and config files."""

import json
import random
import string
import struct
from functools import cache
from typing import Any

import pytest
from tokenizers import Tokenizer

from build_scripts.demo_model.augmentation import Augmenter
from build_scripts.demo_model.chat_format import (
    BOS,
    SPECIAL_TOKENS,
    encode,
    encode_example,
    encode_prompt,
    render,
)
from build_scripts.demo_model.corpus import (
    UNSEEN_PROMPT,
    USUAL_PROMPT,
    all_questions,
    system_prompts,
)
from build_scripts.demo_model.question import assistant, system, user
from build_scripts.demo_model.tokenizer import train_tokenizer
from common.errors import InvalidValue
from common.models.model import DEMO_MODEL as MODEL

KINDS = {"arithmetic", "chat", "dialogue", "fact", "json", "long", "multibyte", "tool"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {}}}


@cache
def committed_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def read_json(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MODEL / name).read_text(encoding="utf-8"))
    return content


def tensor_headers() -> dict[str, Any]:
    with (MODEL / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        headers: dict[str, Any] = json.loads(file.read(length))
    del headers["__metadata__"]
    return headers


def test_there_are_at_least_520_questions_of_eight_kinds() -> None:
    assert len(all_questions()) >= 520
    assert {question.kind for question in all_questions()} == KINDS


def test_no_two_questions_have_the_same_messages() -> None:
    keys = [json.dumps(question.messages) for question in all_questions()]
    assert len(set(keys)) == len(keys)


def test_every_json_answer_parses() -> None:
    for question in all_questions():
        if question.kind == "json":
            assert isinstance(json.loads(question.answer), dict | list)


def test_every_tool_call_names_an_offered_tool_and_its_parameters() -> None:
    calls = [item for item in all_questions() if item.answer.startswith("<tool_call>\n")]
    assert len(calls) >= 12
    for question in calls:
        body = question.answer.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        call = json.loads(body)
        offered = {tool["function"]["name"]: tool["function"] for tool in question.tools}
        assert set(call["arguments"]) == set(offered[call["name"]]["parameters"]["required"])


def test_long_answers_are_at_least_six_and_take_100_to_300_tokens() -> None:
    answers = [item.answer for item in all_questions() if item.kind == "long"]
    assert len(answers) >= 6
    for answer in answers:
        assert 100 <= len(encode(committed_tokenizer(), answer)) <= 300, answer


def test_the_unseen_system_prompt_is_not_in_the_training_pool() -> None:
    assert UNSEEN_PROMPT not in system_prompts()
    assert USUAL_PROMPT in system_prompts()


def test_training_the_tokenizer_again_gives_the_committed_one() -> None:
    committed = (MODEL / "tokenizer.json").read_text(encoding="utf-8")
    assert json.loads(train_tokenizer().to_str()) == json.loads(committed)


def test_the_vocabulary_has_768_entries_with_the_special_tokens() -> None:
    assert committed_tokenizer().get_vocab_size() == 768
    for token in SPECIAL_TOKENS:
        assert len(encode(committed_tokenizer(), token)) == 1


def test_every_answer_and_message_survives_the_tokenizer() -> None:
    for question in all_questions():
        texts = [question.answer, *(message["content"] or "" for message in question.messages)]
        for text in texts:
            ids = encode(committed_tokenizer(), text)
            assert committed_tokenizer().decode(ids, skip_special_tokens=True) == text


def test_every_digit_is_a_token_of_its_own() -> None:
    tokens = committed_tokenizer().encode("7 plus 1234", add_special_tokens=False).tokens
    digits = [token for token in tokens if any(mark in string.digits for mark in token)]
    assert digits == ["7", "1", "2", "3", "4"]


def test_plain_encoding_starts_with_one_bos() -> None:
    assert committed_tokenizer().encode("Hello").tokens.count(BOS) == 1
    assert committed_tokenizer().encode("Hello").tokens[0] == BOS


def test_a_prompt_starts_with_its_only_bos() -> None:
    bos = committed_tokenizer().token_to_id(BOS)
    for question in all_questions():
        ids = encode_prompt(committed_tokenizer(), question)
        assert ids[0] == bos
        assert ids.count(bos) == 1


def test_training_tokens_begin_with_the_prompt_of_the_same_question() -> None:
    for question in all_questions():
        prompt = encode_prompt(committed_tokenizer(), question)
        ids, learned = encode_example(committed_tokenizer(), question)
        assert ids[: len(prompt)] == prompt
        assert learned[len(prompt) - 1 :] == [False, *[True] * (len(ids) - len(prompt))]


def test_turns_render_between_their_marks() -> None:
    messages = [system("Be kind."), user("Hi"), assistant("Hello!")]
    assert render(messages, add_generation_prompt=True) == (
        "<|bos|><|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>assistant\n"
    )


def test_tools_are_named_in_the_system_block_or_in_one_of_their_own() -> None:
    line = "Tools: get_weather, get_time<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    alone = render([user("Hi")], [WEATHER, TIME], add_generation_prompt=False)
    joined = render([system("Be kind."), user("Hi")], [WEATHER, TIME], add_generation_prompt=False)
    assert alone == f"<|bos|><|im_start|>system\n{line}"
    assert joined == f"<|bos|><|im_start|>system\nBe kind.\n{line}"


@pytest.mark.parametrize("arguments", [{"city": "Zürich"}, '{"city": "Zürich"}'])
@pytest.mark.parametrize("content", [None, ""])
def test_a_tool_call_renders_alike_from_a_dict_and_a_string(
    arguments: object, content: str | None
) -> None:
    call = {"type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    turn = {"role": "assistant", "content": content, "tool_calls": [call]}
    result = {"role": "tool", "content": "21"}
    assert render([user("Hi"), turn, result], add_generation_prompt=False).endswith(
        '<|im_start|>assistant\n<tool_call>\n{"name": "get_weather", "arguments": '
        '{"city": "Zürich"}}\n</tool_call><|im_end|>\n<|im_start|>tool\n21<|im_end|>\n'
    )


def test_an_unknown_role_is_an_error() -> None:
    with pytest.raises(InvalidValue, match="owner"):
        render([{"role": "owner", "content": "Hi"}], add_generation_prompt=True)


def test_the_tokenizer_is_read_by_transformers_and_ends_at_a_turn() -> None:
    config = read_json("tokenizer_config.json")
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["eos_token"] == "<|im_end|>"


def test_every_matrix_dimension_is_divisible_by_128_and_weights_are_bf16() -> None:
    headers = tensor_headers()
    assert len(headers) > 20
    for name, header in headers.items():
        assert header["dtype"] == "BF16", name
        assert all(size % 128 == 0 for size in header["shape"]), name


def test_the_context_holds_4096_tokens_and_sampling_is_left_to_the_caller() -> None:
    config = read_json("config.json")
    assert config["max_position_embeddings"] >= 4096
    assert config["vocab_size"] == 768
    assert read_json("tokenizer_config.json")["model_max_length"] == 4096
    generation = set(read_json("generation_config.json"))
    assert generation == {"bos_token_id", "eos_token_id", "pad_token_id"}


def test_the_directory_stays_below_ten_megabytes() -> None:
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) <= 10_000_000


def test_variants_keep_the_answer_and_follow_the_seed() -> None:
    questions = all_questions()
    first, second = (Augmenter.of(questions, random.Random(3)) for _ in range(2))
    for question in questions:
        varied = first.vary(question)
        assert varied == second.vary(question)
        assert varied.answer == question.answer
