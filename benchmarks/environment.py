"""What has to be known to read a result later: versions, machine, GPUs and the commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.machine_metrics.gpus import GPUs
from benchmarks.results.schema import Environment

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "aiohttp",
    "bentoml",
    "nvidia-ml-py",
    "orjson",
    "prometheus-client",
    "psutil",
    "pydantic",
    "tokenizers",
    "uvloop",
)
GIB = 2**30


def environment() -> Environment:
    """Returns that of this process and its machine. `host` is its processor, memory and system, not
    its name."""
    gpus = GPUs()
    return Environment(
        versions={"python": platform.python_version(), **_versions()},
        commit=commit(),
        host=f"{cpu_model()}, {_memory():.0f} GiB, {platform.platform()}",
        cpus=_cpus(),
        gpus=gpus.names,
        driver=gpus.driver,
    )


def commit() -> str | None:
    """Returns that of this repository, with "-dirty" when files differ from it; None outside of
    git."""
    head = git("rev-parse", "HEAD")
    if head and git("status", "--porcelain", "--untracked-files=no"):
        return f"{head}-dirty"
    return head


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def git(*arguments: str) -> str | None:
    """Returns what git says of this repository; None where it cannot."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _memory() -> float:
    return psutil.virtual_memory().total / GIB


def _cpus() -> int:
    """Returns how many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
