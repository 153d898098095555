import json
from pathlib import Path

import pytest

from benchmarks.load.spec import Spec
from benchmarks.load_generators.aiperf.command import (
    INPUT_PROMPTS,
    arguments,
    check_supported,
    prompt_id,
    write_inputs,
)
from benchmarks.load_generators.aiperf.process import (
    LoadGeneratorFailed,
    command_line,
    failure_reason,
)
from benchmarks.prompts import Prompt, PromptSet
from tests.benchmarks.load_generators.support import OPTIONS

CLOSED = {"url": "http://host:1", "model": "demo", "users": 50, "ramp": 20, "duration": 300}
OPEN = {"url": "http://host:1", "model": "demo", "mode": "poisson", "rate": 8, "duration": 60}
TWO = PromptSet(source="two", prompts=(Prompt.of(["One?"]), Prompt.of(["Two?", "And?"])))


def given(tmp_path: Path, **values: object) -> dict[str, str | None]:
    """Returns the options that aiperf would get; those without a value have None."""
    spec = Spec.model_validate(values)
    write_inputs(spec, TWO.order(spec.seed), tmp_path)
    words = arguments(spec, tmp_path, tmp_path / "artifacts")
    assert words[0] == "profile"
    options: dict[str, str | None] = {}
    for word, after in zip(words[1:], [*words[2:], "--"], strict=True):
        if word.startswith("--"):
            options[word] = None if after.startswith("--") else after
    return options


def test_every_option_is_one_that_aiperf_lists(tmp_path: Path) -> None:
    known = set(OPTIONS.read_text().split())
    everything = {
        "max_tokens": 512,
        "ignore_eos": True,
        "temperature": 0.5,
        "system_prompt": "Be brief.",
    }

    for load in (CLOSED, OPEN):
        assert set(given(tmp_path, **load, **everything)) <= known


def test_the_published_load_is_asked_for(tmp_path: Path) -> None:
    options = given(tmp_path, **CLOSED, max_tokens=512, drain=60, procs=2, seed=3, timeout=100)

    assert options["--concurrency"] == "50"
    assert options["--concurrency-ramp-duration"] == "20.0"
    assert options["--benchmark-duration"] == "300.0"
    assert options["--benchmark-grace-period"] == "60.0"
    assert options["--slice-duration"] == "5.0"
    assert options["--osl"] == "512"
    assert options["--endpoint-type"] == "chat"
    assert options["--random-seed"] == "3"
    assert options["--workers-max"] == "2"
    assert options["--request-timeout-seconds"] == "100.0"
    assert "--request-rate" not in options


def test_tokens_are_counted_by_the_server(tmp_path: Path) -> None:
    options = given(tmp_path, **CLOSED)

    assert {"--use-server-token-count", "--streaming", "--use-legacy-max-tokens"} <= set(options)
    assert "--osl" not in options
    assert "--extra-inputs" not in options


def test_an_open_loop_has_a_rate_and_no_users(tmp_path: Path) -> None:
    options = given(tmp_path, **OPEN)

    assert options["--request-rate"] == "8.0"
    assert options["--request-rate-mode"] == "poisson"
    assert "--concurrency" not in options
    assert "--concurrency-ramp-duration" not in options


def test_what_goes_to_the_server_besides_is_one_json(tmp_path: Path) -> None:
    extra = given(tmp_path, **CLOSED, ignore_eos=True, temperature=0)["--extra-inputs"]

    assert extra is not None
    assert json.loads(extra) == {"ignore_eos": True, "temperature": 0}


def test_prompts_lie_in_the_file_in_the_order_of_the_run(tmp_path: Path) -> None:
    options = given(tmp_path, **CLOSED, seed=5)
    order = TWO.order(5)
    lines = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]

    assert options["--dataset-sampling-strategy"] == "sequential"
    assert options["--input-file"] == str(tmp_path / "prompts.jsonl")
    assert [line["text"] for line in lines] == [order[n].turns[0] for n in range(INPUT_PROMPTS)]
    assert [prompt_id(line["session_id"]) for line in lines[:4]] == [order[n].id for n in range(4)]
    assert len({line["session_id"] for line in lines}) == INPUT_PROMPTS


def test_a_system_prompt_goes_before_a_chat_by_a_file(tmp_path: Path) -> None:
    options = given(tmp_path, **CLOSED, system_prompt="Be brief.\n“Always.”")

    assert options["--system-prompt-file"] == str(tmp_path / "system_prompt.txt")
    assert (tmp_path / "system_prompt.txt").read_text("utf-8") == "Be brief.\n“Always.”"


def test_a_system_prompt_goes_before_a_completion_as_our_client_sends_it(tmp_path: Path) -> None:
    options = given(tmp_path, **CLOSED, system_prompt="Be brief.", protocol="completions")
    first = json.loads((tmp_path / "prompts.jsonl").read_text().splitlines()[0])

    assert "--system-prompt-file" not in options
    assert first["text"].startswith("Be brief.\n\n")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"protocol": "generate"}, "chat or completions"),
        ({"turns": 2}, "--turns"),
        ({"system_prompt": " "}, "no empty system prompt"),
        ({"model": "a,b"}, "comma"),
    ],
)
def test_what_aiperf_would_do_otherwise_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(LoadGeneratorFailed, match=says):
        check_supported(Spec.model_validate(CLOSED | changes), TWO)


def test_limits_of_single_prompts_are_refused_unless_the_run_has_one() -> None:
    limited = PromptSet(source="one", prompts=(Prompt.of(["One?"], 5),))

    check_supported(Spec.model_validate({**CLOSED, "max_tokens": 9}), limited)
    with pytest.raises(LoadGeneratorFailed, match="--max-tokens"):
        check_supported(Spec.model_validate(CLOSED), limited)


def test_a_key_is_never_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Path("/somewhere/bin/aiperf")
    monkeypatch.delenv("LLM_API_KEY", raising=False)
    assert command_line(program, ["profile"]) == [str(program), "profile"]

    monkeypatch.setenv("LLM_API_KEY", "secret")
    words = command_line(program, ["profile"])
    assert words[0] == "/somewhere/bin/python"
    assert words[2:] == [str(program), "profile"]
    assert not any("secret" in word for word in words)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("noise\n╭─ Error ─╮\n│ all is   │\n│ lost     │\n╰──╯\nLog File: x", "all is lost"),
        ("a\nb\n\n", "b"),
        ("", "it said nothing"),
    ],
)
def test_a_failure_is_one_line(output: str, says: str) -> None:
    assert failure_reason(output) == says
