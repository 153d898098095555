"""What the client says of a server is what the server knows of itself."""

import os
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from benchmarks.load.__main__ import main
from benchmarks.results import files
from benchmarks.results.schema import Outcome
from tests.benchmarks.load.truth import (
    TruthServer,
    lines,
    load,
    load_through,
    truth_server,
    undisturbed,
    words,
)
from tests.limits import AT_ONCE, DEADLINE
from tests.service_process import REPOSITORY

WITHIN = 0.05
"""Seconds by which a client may be wrong about a first token after 0.2 s, on a busy machine."""


def test_a_hundred_users_see_the_first_token_when_it_came(tmp_path: Path) -> None:
    """Of the server's own stamps, not of what it meant to do; the best of a few runs, for others
    may have the processors."""
    wrong = [1.0]
    with truth_server(ttft=0.2, itl=0.02, tokens=30) as server:
        while len(wrong) < 7 and min(wrong) >= WITHIN:
            server.forget()
            run = load(
                server.url, tmp_path / str(len(wrong)), users=100, ramp=1, duration=3, window=1
            )
            truth = server.truth()
            requests = run.requests
            # The first that arrived was the warm-up's.
            pairs = zip(truth["arrived"][1:], truth["first_tokens"][1:], strict=False)
            true = statistics.median(first - arrived for arrived, first in pairs)
            plateau = run.result.plateau.ttft
            assert plateau is not None
            wrong.append(abs(plateau.p50 - true))
        assert min(wrong) < WITHIN
    assert {request.outcome for request in requests} == {Outcome.OK}
    assert {request.output_tokens for request in requests} == {30}
    windows = run.result.windows
    assert sum(window.tokens for window in windows) == pytest.approx(truth["tokens"] - 30)


def test_users_come_one_by_one_over_the_ramp(tmp_path: Path) -> None:
    with truth_server(ttft=0.05, itl=0.01, tokens=10) as server:
        run = undisturbed(server, tmp_path, users=20, ramp=2, duration=3, window=1)
    first: dict[int, float] = {}
    for request in sorted(run.requests, key=lambda each: each.sent):
        first.setdefault(request.user, request.sent)
    for at in (0.5, 1.0, 1.5, 2.0):
        there = sum(begun <= at for begun in first.values())
        assert abs(there - 10 * at) <= 1


@pytest.mark.parametrize(
    ("fate", "protocol", "outcome"),
    [
        ("error", "chat", Outcome.IN_BAND_ERROR),
        ("cut", "chat", Outcome.CUT),
        ("silent_end", "chat", Outcome.CUT),
        ("refused", "completions", Outcome.HTTP_ERROR),
        ("stall", "chat", Outcome.TIMEOUT),
        ("cut", "generate", Outcome.CUT),
    ],
)
def test_every_bad_request_is_told_from_the_good(
    tmp_path: Path, fate: str, protocol: str, outcome: Outcome
) -> None:
    """The first request of all is good: it is the warm-up's, and the server counts from it on."""
    with truth_server(ttft=0.02, itl=0.005, tokens=8, failure=fate, every=5) as server:
        # The warm-up must not be the one that goes wrong.
        assert load(server.url, tmp_path / "first", duration=1, users=1, timeout=0.5).status == 1
        run = load(
            server.url, tmp_path / "run", users=8, ramp=0, duration=1, window=1,
            protocol=protocol, timeout=0.5, drain=2,
        )  # fmt: skip
        truth = server.truth()
    told = Counter(request.outcome for request in run.requests)
    true = truth["endings"]
    assert set(told) <= {Outcome.OK, outcome}
    # Both warm-ups are the server's alone: the first failed, the second went well.
    assert told[outcome] == true[fate] - 1
    assert told[Outcome.OK] == true["whole"] - 1
    assert told[outcome] > 0


def test_a_role_at_once_is_no_first_token(tmp_path: Path) -> None:
    with truth_server(ttft=0.3, itl=0.01, tokens=5, role_first=True) as server:
        run = load(server.url, tmp_path, users=2, ramp=0, duration=1, window=1)
    for request in run.requests:
        assert request.first_token is not None
        assert request.first_byte is not None
        assert request.first_token - request.sent >= 0.3
        assert request.first_byte - request.sent < 0.3


def test_chunks_of_several_tokens_are_no_tokens(tmp_path: Path) -> None:
    with truth_server(ttft=0.05, itl=0.05, tokens=24, per_chunk=4) as server:
        run = load(server.url, tmp_path, users=2, ramp=0, duration=2, window=1)
    plateau = run.result.plateau
    assert plateau.tokens_per_chunk == pytest.approx(4, rel=0.2)
    assert {request.output_tokens for request in run.requests} == {24}
    assert "inter-chunk" in run.out


def test_without_usage_the_service_counts_the_text(tmp_path: Path) -> None:
    with truth_server(ttft=0.02, itl=0.002, tokens=20, split_bytes=True) as server:
        run = load(server.url, tmp_path, users=2, ramp=0, duration=1, protocol="generate")
    assert {request.output_tokens for request in run.requests} == {20}
    assert {request.tokens_from for request in run.requests} == {"tokenizer"}


def test_answers_of_nothing_have_no_tokens(tmp_path: Path) -> None:
    with truth_server(ttft=0.05, tokens=0) as server:
        run = load(server.url, tmp_path, users=2, ramp=0, duration=1, protocol="generate")
    assert {request.output_tokens for request in run.requests} == {0}
    assert not any("nobody counted" in reason for reason in run.result.verdict.reasons)


def test_a_shells_limit_of_open_files_is_not_the_servers_refusal(tmp_path: Path) -> None:
    with truth_server(ttft=0.2, itl=0.01, tokens=4) as server:
        limited = ["sh", "-c", 'ulimit -Sn 64 && exec "$0" "$@"']
        run = load_through(limited, server.url, tmp_path, users=100, ramp=0, duration=1)
    assert {request.outcome for request in run.requests} == {Outcome.OK}
    assert len({request.user for request in run.requests}) == 100


def test_an_open_loop_keeps_its_rate_whatever_the_server_does(tmp_path: Path) -> None:
    with truth_server(ttft=0.5, itl=0.01, tokens=4) as server:
        options = {"mode": "constant", "rate": 20, "duration": 2, "window": 1}
        run = load(server.url, tmp_path, **options)
    requests = sorted(run.requests, key=lambda request: request.sent)
    assert len(requests) == 39
    assert [request.intended for request in requests] == pytest.approx(
        [n / 20 for n in range(1, 40)]
    )


def test_processes_share_the_users_and_the_order_of_prompts(tmp_path: Path) -> None:
    prompts = lines(tmp_path / "p.jsonl", [{"prompt": f"question {n}"} for n in range(50)])
    with truth_server(ttft=0.02, itl=0.005, tokens=4) as server:
        options = {"users": 6, "ramp": 0.5, "duration": 2, "prompts": prompts, "seed": 3}
        alone = load(server.url, tmp_path / "one", **options)
        shared = load(server.url, tmp_path / "three", **options, procs=3)
    assert alone.result.prompts.hash == shared.result.prompts.hash
    asked = [{each.index: each.prompt for each in run.requests} for run in (alone, shared)]
    common = set(asked[0]) & set(asked[1])
    assert len(common) > 50
    assert all(asked[0][index] == asked[1][index] for index in common)
    assert {request.user for request in shared.requests} == set(range(6))


def test_a_conversation_grows_by_its_answers(tmp_path: Path) -> None:
    prompts = lines(tmp_path / "p.jsonl", [{"turns": ["one", "two", "three"]}])
    with truth_server(ttft=0.02, itl=0.002, tokens=3) as server:
        run = load(server.url, tmp_path, users=1, ramp=0, duration=1, prompts=prompts, turns=2)
    turns = [request.turn for request in sorted(run.requests, key=lambda each: each.sent)]
    assert turns[:4] == [0, 1, 0, 1]


def test_what_is_in_flight_at_the_end_is_waited_for_then_left(tmp_path: Path) -> None:
    with truth_server(ttft=0.2, itl=0.1, tokens=30) as server:
        run = load(server.url, tmp_path, users=2, ramp=0, duration=1, drain=0.5, window=1)
        truth = server.truth()
    assert run.status == 3
    assert {request.outcome for request in run.requests} == {Outcome.UNFINISHED}
    assert run.result.drain is not None
    # The first answer was the warm-up's. What is sent while the client leaves comes to nobody.
    told = sum(window.tokens for window in run.result.windows)
    assert told == pytest.approx(truth["tokens"] - 30, abs=2)
    assert told > 10


@pytest.mark.parametrize("procs", [1, 2])
def test_an_interrupted_run_keeps_what_it_has(tmp_path: Path, procs: int) -> None:
    with truth_server(ttft=0.02, itl=0.005, tokens=4) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", server.url, f"--out={tmp_path}",
             "--users=2", "--ramp=0", "--duration=60", "--window=0.5", f"--procs={procs}"],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        window = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 3
    assert "0.5 s of 60: 2 in flight" in window
    assert "void: it was interrupted" in out
    assert files.read(tmp_path).plateau.outcomes[Outcome.OK] > 5
    assert {request.user for request in files.requests(tmp_path)} == {0, 1}


def test_a_client_costs_little_for_a_token(tmp_path: Path) -> None:
    """At most 0.05 s of CPU for 1,000 tokens on an idle machine: the best of a few runs, and twice
    that where others share the caches."""
    costs = []
    with truth_server(ttft=0.05, itl=0.01, tokens=100) as server:
        for number in range(3):
            run = load(server.url, tmp_path / str(number), users=50, ramp=0, duration=2, window=1)
            costs.append(run.result.verdict.client_cpu_per_1000_tokens or 1)
            if costs[-1] < 0.05:
                break
    assert min(costs) < 0.1


@pytest.fixture(scope="module")
def quick() -> Iterator[TruthServer]:
    with truth_server(ttft=0) as server:
        yield server


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": 0}, "--users: Input should be greater than or equal to 1"),
        ({"mode": "poisson"}, "--mode poisson needs --rate, in requests per second"),
        ({"duration": 5, "ramp": 6}, "--ramp: the ramp, 6 s, has to be shorter than the duration"),
        ({"turns": 2, "protocol": "generate"}, "--turns: several turns need the protocol chat"),
        ({"users": 2, "procs": 3}, "--procs: 3 processes cannot share 2 users"),
        ({"prompts": "nowhere.jsonl"}, "prompts nowhere.jsonl: No such file or directory"),
        ({"prompts": "synthetic:x"}, "allowed is synthetic:TOKENS"),
        ({"system_prompt": "@nowhere"}, "--system-prompt @nowhere: "),
        ({"subject": "nowhere"}, "--subject nowhere: "),
    ],
)
def test_a_wrong_option_is_one_line(
    quick: TruthServer,
    tmp_path: Path,
    options: dict[str, object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"duration": 1, "users": 1, "model": "m", "out": tmp_path, **options}
    assert main([quick.url, *words(given)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    run = load("http://127.0.0.1:9", tmp_path, duration=1)
    assert run.status == 1
    assert run.err.startswith("error: http://127.0.0.1:9/v1/models: ")
    assert len(run.err.splitlines()) == 1
    assert not (tmp_path / "result.json").exists()


def test_the_result_tells_when_the_run_began_and_holds_no_key(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with truth_server(ttft=0.01, itl=0.001, tokens=2) as server:
        os.environ["LLM_API_KEY"] = "a-secret-key"
        try:
            run = load(server.url, tmp_path, users=1, ramp=0, duration=1)
        finally:
            del os.environ["LLM_API_KEY"]
    text = (tmp_path / "result.json").read_text()
    assert "a-secret-key" not in text
    assert before < datetime.fromisoformat(run.result.started_at) < datetime.now(UTC)
    assert run.result.environment.cpus > 0


def test_client_processes_do_not_outlive_their_parent(tmp_path: Path) -> None:
    with truth_server(ttft=0.05, itl=0.01, tokens=10) as server:
        options = ["--users=4", "--procs=2", "--duration=300", f"--out={tmp_path}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", server.url, *options],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "in flight" in process.stderr.readline()
        children = psutil.Process(process.pid).children()
        assert sum("benchmarks.load.worker" in child.cmdline() for child in children) == 2
        process.kill()
        process.communicate()
        _, alive = psutil.wait_procs(children, AT_ONCE)
    assert alive == []
