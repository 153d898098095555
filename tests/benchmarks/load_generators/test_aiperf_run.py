import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load.__main__ import main
from benchmarks.load.spec import Spec
from benchmarks.load_generators.aiperf import process as aiperf_process
from benchmarks.load_generators.aiperf.process import (
    INSTALL,
    LoadGeneratorFailed,
    check_version,
    find_program,
)
from benchmarks.load_generators.aiperf.run import run
from benchmarks.machine_metrics import Sampler
from benchmarks.prompts import load_prompts
from benchmarks.results import files
from benchmarks.results.schema import Outcome, Request, Result, Subject
from tests.benchmarks.load.truth import TruthServer, truth_server
from tests.benchmarks.load_generators.support import Double, double
from tests.service_process import REPOSITORY

DURATION, USERS = 6, 4


@pytest.fixture(scope="module")
def server() -> Iterator[TruthServer]:
    with truth_server(ttft=0.01, itl=0.001, tokens=4) as started:
        yield started


@pytest.fixture
def url(server: TruthServer) -> str:
    return server.url


def words(url: str, folder: Path) -> list[str]:
    load = [f"--users={USERS}", "--ramp=1", f"--duration={DURATION}", "--window=2", "--drain=1"]
    return [url, *load, f"--out={folder}", "--max-tokens=16", "--label=truth"]


async def measured(url: str, stand_in: Double, **changes: object) -> tuple[Result, list[Request]]:
    load: dict[str, object] = {"users": USERS, "ramp": 1, "duration": DURATION, "window": 2}
    spec = Spec.model_validate({"url": url, "model": "truth", "max_tokens": 16, **load, **changes})
    subject = Subject(backend="truth", model="truth", url=url)
    sampler = Sampler()
    return await run(spec, load_prompts("builtin"), subject, sampler, program=stand_in.program)


async def test_a_run_gives_a_result_like_any_other(url: str, tmp_path: Path) -> None:
    result, requests = await measured(url, double(tmp_path), seed=2)

    prompts = load_prompts("builtin")
    order = prompts.order(2)
    assert (result.client, result.load.users, result.load.ramp) == ("aiperf", USERS, 1)
    assert result.prompts.hash == order.hash
    assert (result.prompts.source, result.prompts.count) == ("builtin", len(prompts.prompts))
    assert result.environment.versions["aiperf"] == "0.13.0"
    assert result.environment.cpus > 0
    assert {request.prompt == order[request.index].id for request in requests} == {True}


async def test_records_are_judged_again(url: str, tmp_path: Path) -> None:
    result, requests = await measured(url, double(tmp_path))

    count = USERS * DURATION * 2
    bad = -(-count // 5)
    assert Counter(request.outcome for request in requests) == {
        Outcome.OK: count - bad,
        Outcome.IN_BAND_ERROR: bad,
    }
    assert result.verdict.valid
    assert result.plateau.ttft is not None
    assert result.plateau.ttft.mean == pytest.approx(0.1)


async def test_our_own_client_warms_up_before(server: TruthServer, tmp_path: Path) -> None:
    await asyncio.to_thread(server.forget)
    await measured(server.url, double(tmp_path), warm_up=3)

    truth = await asyncio.to_thread(server.truth)
    assert truth["endings"]["whole"] == 3


async def test_the_key_arrives(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", "secret")
    stand_in = double(tmp_path)
    await measured(url, stand_in)

    assert stand_in.option("--api-key") == "secret"


async def test_the_system_prompt_arrives(url: str, tmp_path: Path) -> None:
    stand_in = double(tmp_path)
    await measured(url, stand_in, system_prompt="Be brief.")

    assert stand_in.seen["system"] == "Be brief."


async def test_what_aiperf_prints_of_its_failure_is_the_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(LoadGeneratorFailed) as raised:
        await measured(url, double(tmp_path, does="fail"))

    assert str(raised.value) == "aiperf ended with 1 and no record: the server is not there"


async def test_an_option_that_aiperf_does_not_know_fails(url: str, tmp_path: Path) -> None:
    stand_in = double(tmp_path)
    options = tmp_path / "options"
    options.write_text(options.read_text().replace("--osl\n", ""))

    with pytest.raises(LoadGeneratorFailed, match=r"Unknown option: \['--osl'\]"):
        await measured(url, stand_in)


async def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        LoadGeneratorFailed, match=r"aiperf 0\.14\.0 is unknown; this installs 0\.13\.0"
    ):
        await check_version(double(tmp_path, version="0.14.0").program)


async def test_a_program_that_cannot_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadGeneratorFailed, match="No such file"):
        await check_version(tmp_path / "aiperf")


def test_without_aiperf_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiperf_process, "INSTALLED", tmp_path / "aiperf")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("AIPERF", raising=False)

    with pytest.raises(LoadGeneratorFailed) as raised:
        find_program()

    assert str(raised.value) == f"aiperf is missing; this installs it: {INSTALL}"
    (tmp_path / "aiperf").touch()
    assert find_program() == tmp_path / "aiperf"


def test_the_load_client_takes_it_by_an_option(
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIPERF", str(double(tmp_path).program))
    out = tmp_path / "out"

    assert main([*words(url, out), "--engine=aiperf"]) == 0
    assert files.read(out).client == "aiperf"
    assert "truth" in capsys.readouterr().out
    assert main([*words(url, out), "--engine=aiperf", "--protocol=generate"]) == 1
    assert capsys.readouterr().err.startswith("error: aiperf reads no raw stream")


async def test_an_interrupted_run_keeps_what_was_measured(url: str, tmp_path: Path) -> None:
    stand_in = double(tmp_path, does="wait")
    out = tmp_path / "out"
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "benchmarks.load", *words(url, out), "--engine=aiperf"],
        cwd=REPOSITORY,
        env={**os.environ, "AIPERF": str(stand_in.program), "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    async with asyncio.timeout(60):
        while not (tmp_path / "saw").exists():  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 3
    assert files.read(out).verdict.reasons == ("it was interrupted",)
    assert not list(tmp_path.glob("aiperf-*"))
