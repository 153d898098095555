"""Prompts of every source, in an order that is the same everywhere."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from benchmarks.prompts import BadPrompts, Order, Prompt, PromptSet, load_prompts, local_tokenizer
from benchmarks.prompts.builtin import FILE, as_json_lines
from common.models.model import DEMO_MODEL

SHAPES = [
    ({"prompt": "a"}, ("a",)),
    ({"text": "b"}, ("b",)),
    ({"instruction": "c", "context": ""}, ("c",)),
    ({"instruction": "d", "context": "first"}, ("first\n\nd",)),
    ({"turns": ["e", "f"]}, ("e", "f")),
    ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "g"},
                   {"role": "assistant", "content": "x"}, {"role": "user", "content": "h"}]},
     ("g", "h")),
    ({"conversations": [{"from": "human", "value": "i"}, {"from": "gpt", "value": "x"}]}, ("i",)),
]  # fmt: skip

TOKENIZER = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


def words(text: str) -> int:
    return len(text.split())


def tokens_of(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False).ids)


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return str(path)


def some(count: int) -> PromptSet:
    return PromptSet(source="x", prompts=tuple(Prompt.of([f"q {n}"]) for n in range(count)))


def test_the_builtin_prompts_are_made_of_their_material() -> None:
    assert FILE.read_text("utf-8") == as_json_lines()
    prompt_set = load_prompts("builtin")
    assert 300 <= len(prompt_set.prompts) <= 500
    assert len({prompt.id for prompt in prompt_set.prompts}) == len(prompt_set.prompts)
    lengths = sorted(words(prompt.turns[0]) for prompt in prompt_set.prompts)
    assert lengths[0] < 8
    assert lengths[-1] > 350
    assert sum(len(prompt.turns) > 1 for prompt in prompt_set.prompts) >= 40


@pytest.mark.parametrize(("row", "turns"), SHAPES)
def test_files_of_every_shape_are_read(tmp_path: Path, row: object, turns: tuple[str, ...]) -> None:
    prompt_set = load_prompts(write(tmp_path / "p.jsonl", row))
    assert prompt_set.prompts[0].turns == turns
    assert prompt_set.source == "p.jsonl"


def test_a_list_of_conversations_is_read(tmp_path: Path) -> None:
    file = tmp_path / "chats.json"
    file.write_text(json.dumps([row for row, _ in SHAPES[-2:]]), "utf-8")
    prompt_set = load_prompts(f"sharegpt:{file}")
    assert [prompt.turns for prompt in prompt_set.prompts] == [("g", "h"), ("i",)]
    assert prompt_set.source == "sharegpt:chats.json"


def test_bad_lines_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.jsonl"
    rows = ['{"prompt": "good"}', "{", "7", '{"promt": "x"}', '{"prompt": " "}', "[]", '"a"']
    file.write_text("\n".join(rows), "utf-8")
    prompt_set = load_prompts(str(file))
    assert (len(prompt_set.prompts), prompt_set.skipped) == (1, 6)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 6
    for number, line in zip(range(2, 7), warnings, strict=False):
        assert f"line {number} is none of" in line
    assert warnings[-1].endswith("6 such in all, left out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"messages": 5}', "is none of"),
        ('{"messages": [{"role": ["user"], "content": "a"}]}', "is none of"),
        ("[" * 100_000, "is none of"),
        (
            '{"messages": [{"role": "user", "content": [{"type": "text"}]}]}',
            "not text where a user",
        ),
        ('{"turns": ["a", 7]}', "not text where a user"),
        ('{"instruction": "a", "context": 5}', "not text where a user"),
        ('{"prompt": "\\ud800"}', "half of a character"),
        ('{"prompt": "a", "max_tokens": true}', "no integer of at least 1"),
        ('{"prompt": "a", "max_tokens": 0}', "no integer of at least 1"),
    ],
)
def test_a_line_of_odd_content_is_a_bad_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(f'{line}\n{{"prompt": "good"}}\n')
    prompt_set = load_prompts(str(file))
    assert [prompt.turns for prompt in prompt_set.prompts] == [("good",)]
    assert prompt_set.skipped == 1
    warnings = capsys.readouterr().err
    assert "line 1" in warnings
    assert message in warnings


def test_a_line_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_bytes('\ufeff{"prompt": "a\u2028b"}\r\n{"prompt": "c\x85d"}\n'.encode())
    prompt_set = load_prompts(str(file))
    assert [prompt.turns for prompt in prompt_set.prompts] == [("a\u2028b",), ("c\x85d",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "has no prompt that can be used"), ("{\n", "line 1 is none of"), (None, "No such file")],
)
def test_a_file_without_prompts_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "p.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadPrompts, match=message):
        load_prompts(str(file))


def test_lengths_in_words_need_no_tokenizer(tmp_path: Path) -> None:
    source = write(tmp_path / "p.jsonl", *({"prompt": "w " * n} for n in range(1, 10)))
    prompt_set = load_prompts(source, min_words=3, max_words=5)
    assert [words(prompt.turns[0]) for prompt in prompt_set.prompts] == [3, 4, 5]
    assert prompt_set.skipped == 6
    with pytest.raises(BadPrompts, match="no prompt of that length"):
        load_prompts(source, min_words=10)


def test_a_tokenizer_may_be_named() -> None:
    count = local_tokenizer(str(DEMO_MODEL))
    assert count("Hello, who are you?") == tokens_of("Hello, who are you?")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), ("{}", "is no tokenizer")]
)
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content, "utf-8")
    with pytest.raises(BadPrompts, match=message):
        local_tokenizer(str(tmp_path))


def test_lengths_are_counted_as_the_service_does(tmp_path: Path) -> None:
    source = write(tmp_path / "p.jsonl", *({"prompt": "w " * n} for n in range(1, 10)))
    prompt_set = load_prompts(source, min_tokens=3, max_tokens=5, tokenizer=words)
    assert [words(prompt.turns[0]) for prompt in prompt_set.prompts] == [3, 4, 5]
    assert prompt_set.skipped == 6
    with pytest.raises(BadPrompts, match="need a tokenizer"):
        load_prompts(source, min_tokens=3)


def test_a_count_keeps_as_many_by_the_seed(tmp_path: Path) -> None:
    source = write(tmp_path / "p.jsonl", *({"prompt": f"q {n}"} for n in range(20)))
    first = load_prompts(source, count=5, seed=1)
    assert first == load_prompts(source, count=5, seed=1)
    assert len(first.prompts) == 5
    assert first != load_prompts(source, count=5, seed=2)
    with pytest.raises(BadPrompts, match="a count of 0 prompts: it is at least 1"):
        load_prompts(source, count=0)


@pytest.mark.parametrize("tokens", [16, 512, 2048])
def test_synthetic_prompts_have_exactly_as_many_tokens(tokens: int) -> None:
    prompt_set = load_prompts(f"synthetic:{tokens}", count=4, tokenizer=tokens_of)
    assert [tokens_of(prompt.turns[0]) for prompt in prompt_set.prompts] == [tokens] * 4
    assert len({prompt.turns[0][:12] for prompt in prompt_set.prompts}) == 4


def test_synthetic_prompts_that_would_be_equal_are_refused() -> None:
    assert tokens_of(load_prompts("synthetic:1", count=1, tokenizer=tokens_of).prompts[0].turns[0])
    with pytest.raises(BadPrompts, match="only 1 of 4 texts are different; ask for more tokens"):
        load_prompts("synthetic:1", count=4, tokenizer=tokens_of)


def test_the_order_depends_on_the_seed_and_the_content_alone() -> None:
    prompts = some(30).prompts
    order, turned = Order(prompts, 7), Order(prompts[::-1], 7)
    indexes = range(100)
    assert [order[n].id for n in indexes] == [turned[n].id for n in indexes]
    assert order.hash == turned.hash
    assert order.hash != Order(prompts, 8).hash
    assert order.hash != Order(prompts[1:], 7).hash


def test_each_round_has_every_prompt_once_in_an_order_of_its_own() -> None:
    order = some(30).order(1)
    rounds = [[order[30 * k + n].id for n in range(30)] for k in range(3)]
    assert all(len(set(each)) == 30 for each in rounds)
    assert rounds[0] != rounds[1] != rounds[2]


def test_the_hash_of_an_order_is_that_of_every_machine() -> None:
    assert some(10).order(0).hash == "bbbc046ed5fd74bf"


def test_the_hub_that_cannot_be_reached_is_named_with_what_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BadPrompts, match="databricks/databricks-dolly-15k cannot be fetched"):
        load_prompts("dolly")
