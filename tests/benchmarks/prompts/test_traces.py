"""Traces of real services and named workloads, as prompts of their lengths."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer

from benchmarks.load.request import body
from benchmarks.load.spec import Spec
from benchmarks.load.traffic import arrivals
from benchmarks.prompts import BadPrompts, Prompt, load_prompts
from benchmarks.prompts.traces import read_trace
from benchmarks.prompts.workloads import workloads
from common.models.model import DEMO_MODEL

TOKENIZER = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:48.2224670,40,0
nonsense,4,4
2023-11-16 18:15:47.5000000,81,5
"""
MOONCAKE = [
    {"timestamp": 0, "input_length": 1100, "output_length": 52, "hash_ids": [46, 47, 48]},
    {"timestamp": 3000, "input_length": 700, "output_length": 7, "hash_ids": [46, 49]},
    {"timestamp": 9000, "input_length": 700, "output_length": 7, "hash_ids": [46]},
    {"timestamp": 9000, "input_length": 700},
]


def tokens_of(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False).ids)


@pytest.fixture
def azure(tmp_path: Path) -> Path:
    file = tmp_path / "azure.csv"
    file.write_text(AZURE)
    return file


@pytest.fixture
def mooncake(tmp_path: Path) -> Path:
    file = tmp_path / "mooncake.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in MOONCAKE) + "[]\n")
    return file


def test_azures_trace_is_read_in_the_order_of_its_times(
    azure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests, skipped = read_trace(azure)
    assert [r.at for r in requests] == pytest.approx([0, 0.8194, 4.3146], abs=1e-4)
    assert [(r.input_tokens, r.output_tokens) for r in requests] == [(374, 44), (81, 5), (396, 109)]
    assert skipped == 2
    errors = capsys.readouterr().err
    assert "line 4: ContextTokens and GeneratedTokens have to be at least 1" in errors
    assert "line 5: Invalid isoformat string: 'nonsense'" in errors


def test_mooncakes_trace_shares_the_blocks_of_equal_hashes(
    mooncake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = load_prompts(f"trace:{mooncake}", tokenizer=tokens_of)
    assert (prompts.source, len(prompts.prompts), prompts.skipped) == ("trace:mooncake.jsonl", 2, 3)
    assert prompts.times == (0, 3)
    long, short = prompts.prompts
    assert (long.max_tokens, short.max_tokens) == (52, 7)
    assert abs(tokens_of(long.turns[0]) - 1100) <= 2
    assert abs(tokens_of(short.turns[0]) - 700) <= 2
    shared = len(long.turns[0]) * 512 // 1100 - 100
    assert long.turns[0][:shared] == short.turns[0][:shared]
    assert long.turns[0][-100:] != short.turns[0][-100:]
    errors = capsys.readouterr().err
    assert "line 3: has 1 hash_ids for 2 blocks of 512 tokens" in errors
    assert "line 4: lacks 'output_length'" in errors
    assert "line 5: is no JSON object" in errors


def test_a_trace_is_replayed_by_its_times_at_its_speed(azure: Path) -> None:
    source = f"trace:{azure}"
    prompts = load_prompts(source, tokenizer=tokens_of, seconds=4)
    assert len(prompts.prompts) == 2
    order = prompts.order(seed=9)
    assert [order[n].max_tokens for n in range(3)] == [44, 5, 44]
    load = Spec.model_validate(
        {"url": "http://x", "mode": "trace", "prompts": {"source": source}, "trace_speed": 2.0}
    )
    assert list(arrivals(load, prompts.times)) == pytest.approx([0, 0.4097], abs=1e-4)
    assert list(arrivals(load.model_copy(update={"duration": 0.3}), prompts.times)) == [0]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", '{"timestamp": 1}\n'])
def test_a_file_without_requests_is_no_trace(tmp_path: Path, text: str) -> None:
    file = tmp_path / "trace"
    file.write_text(text)
    with pytest.raises(BadPrompts, match=r"is no trace: allowed are CSV|has no request: line 1"):
        load_prompts(f"trace:{file}", tokenizer=tokens_of)


def test_a_workload_has_the_lengths_of_its_parts() -> None:
    mixed = load_prompts("workload:mixed", count=60, tokenizer=tokens_of).prompts
    lengths = {part.output: part.input for part in workloads()["mixed"].parts}
    assert {prompt.max_tokens for prompt in mixed} == set(lengths)
    for prompt in mixed:
        assert abs(tokens_of(prompt.turns[0]) - lengths[prompt.max_tokens or 0]) <= 2


def test_agents_share_long_system_prompts() -> None:
    agents = load_prompts("workload:agents", count=20, tokenizer=tokens_of).prompts
    systems = {prompt.system for prompt in agents}
    assert len(systems) == 10
    assert all(abs(tokens_of(system or "") - 3000) <= 2 for system in systems)
    assert len({prompt.turns[0] for prompt in agents}) == 20


def test_a_workload_of_conversations_has_turns() -> None:
    prompt, *_ = load_prompts("workload:multi-turn", count=2, tokenizer=tokens_of).prompts
    assert len(prompt.turns) == 6
    with pytest.raises(BadPrompts, match=r"no workload 'agent' \(did you mean 'agents'\?\): mixed"):
        load_prompts("workload:agent", tokenizer=tokens_of)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "trace"}, "the mode trace and the prompts trace:FILE need each other"),
        ({"prompts": {"source": "trace:f"}}, "need each other"),
        ({"mode": "trace", "rate": 2.0, "prompts": {"source": "trace:f"}}, "neither users nor a"),
        ({"trace_speed": 2.0}, "is of the mode trace"),
        ({"prompts": {"source": "workload:multi-turn"}}, "say how many turns, more than 1"),
    ],
)
def test_what_does_not_belong_together_is_refused(values: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Spec.model_validate({"url": "http://x"} | values)  # type: ignore[operator]


def test_a_prompts_own_system_prompt_comes_after_that_of_the_run() -> None:
    load = Spec(url="http://x", system_prompt="Be brief.")
    sent = json.loads(body(load, ["hello"], Prompt.of(["hello"], 9, "You are an agent.")))
    assert sent["messages"][0]["content"] == "Be brief.\n\nYou are an agent."
    assert sent["max_tokens"] == 9
