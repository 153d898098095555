"""Other load generators, for real, see on the same server what this project's client sees.

Each is in an environment of its own. Of the rates nothing is compared: `vllm bench serve` sends its
first wave at once and ends with its last answer, so its rate has a ramp and a drain in it.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.imports.__main__ import main as import_run
from benchmarks.load_generators.aiperf.process import LoadGeneratorFailed, find_program
from benchmarks.results import files
from benchmarks.results.schema import Distribution, Outcome, Phase, Result
from common.models.model import DEMO_MODEL
from tests.benchmarks.load.truth import load, truth_server
from tests.conftest import require_backend
from tests.service_process import interpreter

TOKENS, USERS = 32, 8
WITHIN = 0.02
"""Seconds, of the first token; and, as a share, of the time between tokens."""
TRIES = 4
"""For others may have the processors."""

Client = Callable[[str, Path], Result]


def ours(url: str, folder: Path) -> Result:
    return load(url, folder, users=USERS, ramp=1, duration=5, window=1, max_tokens=TOKENS).result


def vllm_bench(url: str, folder: Path) -> Result:
    program = interpreter("vllm").with_name("vllm")
    words = ["bench", "serve", "--backend=openai-chat", "--endpoint=/v1/chat/completions"]
    words += [f"--base-url={url}", "--model=truth", f"--tokenizer={DEMO_MODEL}"]
    words += ["--dataset-name=random", "--random-input-len=16", f"--random-output-len={TOKENS}"]
    words += [f"--num-prompts={USERS * 4}", f"--max-concurrency={USERS}", "--disable-tqdm"]
    words += ["--save-result", "--save-detailed", f"--result-filename={folder / 'bench.json'}"]
    folder.mkdir()
    subprocess.run([program, *words], check=True, capture_output=True, cwd=folder)
    assert import_run(["vllm", str(folder / "bench.json"), "--out", str(folder)]) == 0
    return files.read(folder)


def aiperf(url: str, folder: Path) -> Result:
    try:
        find_program()
    except LoadGeneratorFailed as error:
        pytest.skip(str(error))
    options = {"users": USERS, "ramp": 1, "duration": 5, "max_tokens": TOKENS}
    return load(url, folder, engine="aiperf", **options).result


@pytest.mark.parametrize("client", [vllm_bench, aiperf])
def test_another_client_sees_the_same(client: Client, tmp_path: Path) -> None:
    if client is vllm_bench:
        require_backend("vllm")
    differences = []
    with truth_server(ttft=0.2, itl=0.02, tokens=TOKENS) as server:
        for attempt in range(TRIES):
            one = ours(server.url, tmp_path / f"ours-{attempt}").plateau
            other = client(server.url, tmp_path / f"other-{attempt}").plateau
            assert set(one.outcomes) == set(other.outcomes) == {Outcome.OK}
            assert tokens_each(one) == tokens_each(other) == TOKENS
            first = abs(median(one.ttft) - median(other.ttft))
            between = abs(1 - median(other.tpot) / median(one.tpot))
            differences.append(max(first, between))
            if differences[-1] < WITHIN:
                break
    assert min(differences) < WITHIN


def median(values: Distribution | None) -> float:
    assert values is not None
    return values.p50


def tokens_each(phase: Phase) -> float:
    return phase.output_tokens / sum(phase.outcomes.values())
