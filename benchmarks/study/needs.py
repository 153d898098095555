"""What a study takes of time, disk and GPUs, beside what there is: told before it starts."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub.constants import HF_HUB_CACHE

from benchmarks.environment import GIB
from benchmarks.machine_metrics.gpus import GPUMemory, GPUs
from benchmarks.study.cell import LoadCell, StudyCell
from benchmarks.study.spec import Needs
from benchmarks.words import counted, readable_time

RESULT_BYTES = 100_000
"""Of a second of load: 4,000 tokens, each with a gap of some 20 characters and its share of the
rest."""
WHOLE = 0.9
"""Of a model's size: with so much of it in the hub's cache, it counts as there."""
NOMINAL = 0.92
"""Of a GPU's nominal memory, which its driver keeps a part of: an A10G of 24 GB tells 22.5 GiB."""
HOUR = 3600


def statement(
    needs: Needs, todo: Sequence[StudyCell], seconds: float, cache: Path = Path(HF_HUB_CACHE)
) -> str:
    """Returns what the cells that are yet to be measured take, in a line."""
    missing = _missing(needs, cache)
    parts = [f"about {readable_time(seconds)}"]
    if needs.gpu is not None or needs.gpu_gib is not None:
        parts.append(_gpu_text(needs))
    if needs.models:
        models = ", ".join(f"{name} ({gib:g} GiB)" for name, gib in needs.models.items())
        parts.append(f"of the hub {models}, of which {sum(missing.values()):g} GiB are missing")
    parts.append(f"up to {_result_bytes(todo) / GIB:.2f} GiB of results")
    return f"needs {'; '.join(parts)}"


def lacks(
    needs: Needs,
    todo: Sequence[StudyCell],
    seconds: float,
    out: Path,
    hours: float | None,
    cache: Path = Path(HF_HUB_CACHE),
) -> list[str]:
    """Returns a sentence for each thing of which there is too little."""
    lacking = list(_lacking_disk(needs, todo, out, cache))
    if hours is not None and seconds > hours * HOUR:
        lacking.append(f"it takes about {readable_time(seconds)}, and there are {hours:g} h")
    if needs.gpu_gib is not None and (reason := _lacking_gpus(needs, GPUs().memory())):
        lacking.append(reason)
    return lacking


def _gpu_text(needs: Needs) -> str:
    name = needs.gpu or "GPU"
    memory = f" with {needs.gpu_gib:g} GiB" if needs.gpu_gib is not None else ""
    return f"{needs.gpus} × {name}{memory}"


def _lacking_gpus(needs: Needs, present: Sequence[GPUMemory]) -> str | None:
    least = (needs.gpu_gib or 0) * GIB * NOMINAL
    fitting = [gpu for gpu in present if gpu.total >= least]
    if len(fitting) >= needs.gpus:
        return None
    sizes = ", ".join(f"{gpu.total / GIB:.0f} GiB" for gpu in present)
    there = f"{counted(len(present), 'GPU')} ({sizes})" if present else "no GPU"
    return f"it needs {_gpu_text(needs)}, and there is {there}"


def _missing(needs: Needs, cache: Path) -> dict[str, float]:
    """Returns the GiB of each model that is not in the hub's cache."""
    return {
        name: gib
        for name, gib in needs.models.items()
        if _bytes(cache / f"models--{name.replace('/', '--')}" / "blobs") < WHOLE * gib * GIB
    }


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*")) if folder.is_dir() else 0


def _result_bytes(todo: Sequence[StudyCell]) -> float:
    return sum(cell.most_seconds for cell in todo if isinstance(cell, LoadCell)) * RESULT_BYTES


def _lacking_disk(needs: Needs, todo: Sequence[StudyCell], out: Path, cache: Path) -> Iterator[str]:
    """Yields a sentence for each disk that has too little room; both may lie on one."""
    wanted: dict[int, tuple[Path, float]] = {}
    models = sum(_missing(needs, cache).values()) * GIB
    for folder, size in ((out, _result_bytes(todo)), (cache, models)):
        folder = _existing(folder)
        _, before = wanted.get(folder.stat().st_dev, (folder, 0.0))
        wanted[folder.stat().st_dev] = (folder, before + size)
    for folder, size in wanted.values():
        free = shutil.disk_usage(folder).free
        if size > free:
            yield (
                f"it takes up to {size / GIB:.1f} GiB of disk at {folder}, and {free / GIB:.1f} "
                "GiB are free"
            )


def _existing(folder: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())
