"""The command that measures a run again, where no study file tells it."""

import shlex
from collections.abc import Iterable

from benchmarks.report.runs import Run
from benchmarks.results.schema import Result


def commands(runs: Iterable[Run]) -> list[str]:
    """Of the runs that `python -m benchmarks.load` measured, each once."""
    own = (run.result for run in runs if run.result.client == "load")
    return list(dict.fromkeys(map(_command, own)))


def _command(result: Result) -> str:
    load, subject = result.load, result.subject
    options: dict[str, str | float | int | None] = {
        "--protocol": load.protocol,
        "--model": None if load.protocol == "generate" else subject.model,
        "--mode": load.mode,
        "--users": load.users,
        "--rate": load.rate,
        "--duration": load.duration,
        "--ramp": load.ramp,
        "--window": load.window,
        "--timeout": load.timeout,
        "--max-tokens": load.max_tokens,
        "--temperature": load.temperature,
        "--turns": load.turns,
        "--procs": load.procs,
        "--ttft-limit": load.ttft_limit,
        "--tpot-limit": load.tpot_limit,
        "--end-to-end-limit": load.end_to_end_limit,
        "--prompts": result.prompts.source,
        "--seed": result.prompts.seed,
        "--system-prompt": load.system_prompt,
    }
    given = [
        word
        for name, value in options.items()
        if value is not None
        for word in (name, f"{value:g}" if isinstance(value, float) else str(value))
    ]
    flags = ["--ignore-eos"] if load.ignore_eos else []
    return shlex.join(["python", "-m", "benchmarks.load", subject.url, *given, *flags])
