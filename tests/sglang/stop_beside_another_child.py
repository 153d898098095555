"""A process that starts and stops SGLang and has another child; it prints who was who."""

import asyncio
import json
import subprocess

import psutil

from common.model import DEMO_MODEL, open_model
from common.settings import Settings
from services.sglang import SGLangEngine


async def start_and_stop() -> list[int]:
    """The processes that the engine had."""
    settings = Settings()
    before = children()
    engine = SGLangEngine(settings, open_model(settings, DEMO_MODEL))
    await engine.start(lambda phase: None)
    started = children() - before
    await engine.stop()
    return [child.pid for child in started]


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def main() -> None:
    nowhere = subprocess.DEVNULL
    other = subprocess.Popen(["sleep", "600"], stdout=nowhere, stderr=nowhere)
    print(json.dumps({"other": other.pid, "engine": asyncio.run(start_and_stop())}))


if __name__ == "__main__":
    main()
