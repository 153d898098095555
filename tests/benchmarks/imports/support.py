"""Runs that aiperf 0.13.0 and vllm bench serve 0.32.0 made against the truth server.

Each answer had 16 tokens, the first after 100 ms, the others every 20 ms. `error`, `cut` and
`refused` had every fifth request end so, the first one included; what is not read is left out.
"""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.imports.run import Foreign
from benchmarks.results.schema import Outcome

RECORDED = Path(__file__).parent / "recorded"


def outcomes(foreign: Foreign) -> dict[Outcome, int]:
    return dict(Counter(request.outcome for request in foreign.requests))


def vllm_file(folder: Path, **changes: Any) -> Path:
    """Of `vllm bench serve`, with fields changed; those that are None are left out."""
    told = json.loads((RECORDED / "vllm-cut.json").read_text()) | changes
    path = folder / "vllm.json"
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))
    return path


def aiperf_folder(folder: Path, name: str = "error") -> Path:
    """A copy to change."""
    return Path(shutil.copytree(RECORDED / f"aiperf-{name}", folder / name))


def change_summary(folder: Path, *where: str, value: Any) -> None:
    path = folder / "profile_export_aiperf.json"
    told = json.loads(path.read_text())
    at = told
    for name in where[:-1]:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[where[-1]] = value
    path.write_text(json.dumps(told))
