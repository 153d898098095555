"""Runs that aiperf 0.13.0 and vllm bench serve 0.32.0 imported against the known server.

Each answer had 16 tokens, the first after 100 ms, the others every 20 ms. `error`, `cut` and
`refused` had every fifth request end so, the first one included; what is not read is left out.
"""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.results.schema import Outcome, Request

RECORDED = Path(__file__).parent / "recorded"


def outcomes(requests: list[Request]) -> dict[Outcome, int]:
    return dict(Counter(request.outcome for request in requests))


def vllm_file(folder: Path, **changes: Any) -> Path:
    """Returns a file of `vllm bench serve` with `changes`; a field that is None is left out."""
    values = json.loads((RECORDED / "vllm-cut.json").read_text()) | changes
    path = folder / "vllm.json"
    path.write_text(
        json.dumps({name: value for name, value in values.items() if value is not None})
    )
    return path


def aiperf_folder(folder: Path, name: str = "error") -> Path:
    """Returns a copy of a recorded folder, to be changed."""
    return Path(shutil.copytree(RECORDED / f"aiperf-{name}", folder / name))


def change_summary(folder: Path, *where: str, value: Any) -> None:
    path = folder / "profile_export_aiperf.json"
    summary = json.loads(path.read_text())
    parent = summary
    for name in where[:-1]:
        parent = parent[int(name)] if isinstance(parent, list) else parent[name]
    parent[where[-1]] = value
    path.write_text(json.dumps(summary))
