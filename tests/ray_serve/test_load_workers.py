"""The load client spread over a Ray cluster of two nodes."""

import signal
import subprocess
from pathlib import Path

import psutil

from benchmarks.results import files
from benchmarks.results.schema import Outcome
from tests.benchmarks.load.truth import TruthServer, truth_server
from tests.ray_serve.conftest import TwoNodes
from tests.service_process import REPOSITORY, eventually, interpreter

TOKENS, USERS = 10, 4
VALID, VOID = 0, 3
WORKER = "benchmarks.load.worker"


def start(
    server: TruthServer, cluster: TwoNodes, out: Path, duration: int
) -> subprocess.Popen[str]:
    words = [f"--ray={cluster.address}", "--procs=2", f"--users={USERS}", f"--duration={duration}"]
    words += ["--ramp=1", "--window=1", f"--max-tokens={TOKENS}", f"--out={out}"]
    return subprocess.Popen(
        [interpreter("ray_serve"), "-m", "benchmarks.load", server.url, *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers() -> list[int]:
    processes = psutil.process_iter(["cmdline"])
    return [each.pid for each in processes if WORKER in (each.info["cmdline"] or ())]


def test_users_are_shared_by_the_machines_of_a_cluster(two_nodes: TwoNodes, tmp_path: Path) -> None:
    with truth_server(ttft=0.05, itl=0.01, tokens=TOKENS) as server:
        process = start(server, two_nodes, tmp_path, duration=2)
        out, err = process.communicate()
        truth = server.truth()
    assert process.returncode in (VALID, VOID), out + err
    requests = list(files.requests(tmp_path))
    assert {request.outcome for request in requests} == {Outcome.OK}
    assert {request.user for request in requests} == set(range(USERS))
    # One more was the warm-up's.
    assert len(requests) == len(truth["arrived"]) - 1
    assert {request.output_tokens for request in requests} == {TOKENS}
    assert workers() == []


def test_an_interruption_keeps_what_was_measured(two_nodes: TwoNodes, tmp_path: Path) -> None:
    with truth_server(ttft=0.05, itl=0.01, tokens=TOKENS) as server:
        process = start(server, two_nodes, tmp_path, duration=300)
        eventually(lambda: len(server.truth()["arrived"]) > 2 * USERS, 60, "the users have come")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == VOID, out + err
    assert "interrupted" in out
    assert len(list(files.requests(tmp_path))) >= 2 * USERS
    assert workers() == []
