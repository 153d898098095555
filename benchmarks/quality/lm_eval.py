"""A task of lm-eval, which runs in an environment of its own against the endpoint's API."""

import asyncio
import json
import os
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from benchmarks.load.spec import KEY
from benchmarks.quality.endpoint import QualityFailed
from benchmarks.quality.intervals import NORMAL, WILSON, Z, wilson
from benchmarks.quality.scoring import AT_ONCE
from benchmarks.quality.tasks import QualitySpec, QualityTask, task_hash
from benchmarks.results.quality import Score, TaskScore
from common.messages import one_line
from common.processes.guarded import GuardedProcess

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-client-lm_eval" / "bin" / "python"
GRACE = 10.0
KEPT_LINES = 20
SHARES = ("acc", "acc_norm", "exact_match")
"""Metrics that are the share of right documents; of others only lm-eval knows the spread."""


async def score(spec: QualitySpec, task: QualityTask) -> TaskScore:
    """Returns what lm-eval says, by the first metric of the task; or why it does not. Its tasks by
    log-probability need those of a prompt's tokens. Raises QualityFailed where it says nothing."""
    result = TaskScore(name=task.title, kind=task.kind, hash=task_hash(task))
    if not PYTHON.exists():
        return result.model_copy(
            update={"reason": "lm-eval is not installed: scripts/clients lm_eval"}
        )
    with tempfile.TemporaryDirectory() as folder:
        code, lines = await _run(_command(spec, task, Path(folder)))
        files = [*Path(folder).rglob("results_*.json")]
        if code or not files:
            reason = next(
                (line for line in reversed(lines) if "Error" in line), (lines or [""])[-1]
            )
            return result.model_copy(update={"reason": one_line(f"lm-eval ended with {reason}")})
        results = json.loads(files[0].read_text("utf-8"))
    return result.model_copy(update={"score": _score(results, task)})


def _command(spec: QualitySpec, task: QualityTask, folder: Path) -> list[str]:
    path = "/v1/chat/completions" if task.chat else "/v1/completions"
    served = {
        "model": spec.model,
        "base_url": f"{spec.url}{path}",
        "num_concurrent": AT_ONCE,
        "max_retries": 1,
        **({"tokenizer": spec.tokenizer} if spec.tokenizer is not None else {}),
    }
    words = [
        str(PYTHON),
        "-m",
        "lm_eval",
        "run",
        "--tasks",
        str(task.name),
        "--output_path",
        str(folder),
    ]
    words += ["--model", "local-chat-completions" if task.chat else "local-completions"]
    words += ["--model_args", ",".join(f"{name}={value}" for name, value in served.items())]
    words += ["--apply_chat_template"] if task.chat else []
    words += ["--limit", str(task.limit)] if task.limit is not None else []
    return words + (["--include_path", task.include] if task.include is not None else [])


async def _run(command: list[str]) -> tuple[int, list[str]]:
    """Returns its exit status and its last lines."""
    environment = {**os.environ, "OPENAI_API_KEY": os.environ.get(KEY) or "none"}
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    process = await GuardedProcess.spawn(command, grace=GRACE, environment=environment)
    try:
        async for line in process.lines():
            lines.append(line.decode("utf-8", "replace").strip())
            print(lines[-1], flush=True)
    finally:
        process.terminate()
        await asyncio.shield(process.wait())
    return process.returncode or 0, [*lines]


def _score(results: dict[str, Any], task: QualityTask) -> Score:
    """Returns the first metric that lm-eval tells of a task, or of a group of tasks."""
    name = str(task.name)
    values = results["results"].get(name) or results.get("groups", {}).get(name) or {}
    for key, value in values.items():
        metric, comma, _ = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        count = int(results.get("n-samples", {}).get(name, {}).get("effective", 0))
        error = values.get(key.replace(metric, f"{metric}_stderr"))
        higher = results.get("higher_is_better", {}).get(name, {}).get(metric, True)
        low = high = None
        if metric in SHARES and count:
            low, high = wilson(round(value * count), count)
        elif isinstance(error, int | float):
            low, high = value - Z * error, value + Z * error
        return Score(
            metric=metric,
            better="high" if higher else "low",
            value=value,
            low=low,
            high=high,
            interval=WILSON if metric in SHARES and count else NORMAL,
            count=count,
        )
    raise QualityFailed(f"lm-eval gave no number of {name!r}")
