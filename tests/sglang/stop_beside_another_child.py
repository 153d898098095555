"""A process that starts SGLang, has another child too, and stops SGLang or only ends itself.

It prints who was who.
"""

import asyncio
import json
import os
import subprocess
import sys

import psutil

from common.models.model import DEMO_MODEL, open_model
from common.settings import load_settings
from services.sglang import SGLangEngine


async def start(*, stop: bool) -> list[int]:
    """The processes that the engine has or had."""
    settings = load_settings({}, os.environ)
    before = children()
    engine = SGLangEngine(settings, open_model(settings, DEMO_MODEL))
    await engine.start(lambda phase: None)
    started = children() - before
    if stop:
        await engine.stop()
    return [child.pid for child in started]


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def main() -> None:
    nowhere = subprocess.DEVNULL
    other = subprocess.Popen(["sleep", "600"], stdout=nowhere, stderr=nowhere)
    started = asyncio.run(start(stop=sys.argv[1] == "stop"))
    print(json.dumps({"other": other.pid, "engine": started}))


if __name__ == "__main__":
    main()
