"""A process that starts SGLang several times, as a service would, beside another child of its own.

It prints what came of each start, and ends without a stop of the last engine.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import resource_tracker
from typing import Any

import psutil

from common.engine import GenerateRequest
from common.errors import EngineDead, StartError
from common.models.model import local_directory, open_model
from common.plan import at_start
from common.processes.descendants import descendants, is_alive
from common.sampling import Sampling
from common.settings import load_settings
from services.sglang import SGLangEngine

LONG = 2000
PENALIZED = {
    "frequency": Sampling(60, temperature=0, frequency_penalty=0.5),
    "presence": Sampling(60, temperature=0, presence_penalty=1.0),
}
RETRACTIONS = {"SGLANG_TEST_RETRACT": "1", "SGLANG_TEST_RETRACT_INTERVAL": "7"}
"""SGLang's own switch for tests: of requests that run together one is computed again so often."""
EVERYTHING = {"GPU_MEMORY_UTILIZATION": "0.5", "CHUNKED_PREFILL": "false"}
"""Settings that are arguments of SGLang only where they are given."""


def engine(values: Mapping[str, str]) -> SGLangEngine:
    settings = load_settings({}, {**os.environ, **values})
    folder = local_directory(settings)
    assert folder is not None
    chosen, model = at_start.apply(SGLangEngine, settings, open_model(settings, folder))
    return SGLangEngine(chosen, model)


async def refusal(values: Mapping[str, str]) -> str:
    """Returns what a start says that must fail, when nothing is left of it."""
    before = children()
    refused = engine(values)
    try:
        await refused.start(lambda phase: None)
    except StartError as error:
        return str(error)
    finally:
        await refused.stop()
        assert children() == before
    raise AssertionError(f"it started with {values}")


async def fail() -> dict[str, Any]:
    """Returns the processes of an engine of which one reports a failure, and what it says then."""
    before = children()
    failing = engine(EVERYTHING)
    await failing.start(lambda phase: None)
    penalized = {name: await alone_and_together(failing, each) for name, each in PENALIZED.items()}
    started = [child.pid for child in children() - before]
    answers = failing.generate(GenerateRequest("cut", (0,), Sampling(LONG)))
    await anext(answers)
    os.kill(os.getpid(), signal.SIGQUIT)
    try:
        async for _ in answers:
            pass
    except EngineDead as error:
        assert not (await failing.health()).alive
        return {"processes": started, "error": str(error), "penalized": penalized}
    raise AssertionError("it went on")


async def alone_and_together(running: SGLangEngine, sampling: Sampling) -> list[list[int]]:
    """Returns one answer to the same prompt: computed alone, and twice beside each other."""
    answers = [await answer(running, "alone", sampling)]
    together = (answer(running, name, sampling) for name in ("one", "other"))
    return [*answers, *await asyncio.gather(*together)]


async def answer(running: SGLangEngine, name: str, sampling: Sampling) -> list[int]:
    request = GenerateRequest(name, (1, 5, 9), sampling)
    return [token async for chunk in running.generate(request) for token in chunk.token_ids]


def children() -> set[psutil.Process]:
    return set(filter(is_alive, descendants()))


async def run(cases: list[Mapping[str, str]]) -> dict[str, Any]:
    refusals = [await refusal(values) for values in cases]
    from sglang.srt.server_args import ServerArgs

    return {"refusals": refusals, "fields": ServerArgs.__struct_fields__, **await fail()}


def main() -> None:
    os.environ.update(RETRACTIONS)
    # The first engine would start it, and it stays.
    resource_tracker.ensure_running()
    nowhere = subprocess.DEVNULL
    other = subprocess.Popen(["sleep", "600"], stdout=nowhere, stderr=nowhere)
    try:
        outcome = asyncio.run(run(json.load(sys.stdin)))
    except BaseException:
        other.kill()
        raise
    print(json.dumps({"other": other.pid, **outcome}))


if __name__ == "__main__":
    main()
