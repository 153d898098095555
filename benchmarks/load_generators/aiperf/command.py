"""aiperf's arguments and input files for a load of ours."""

import json
from pathlib import Path
from typing import Any

from benchmarks.load.spec import Spec
from benchmarks.load_generators.aiperf.process import ROOT, LoadGeneratorFailed
from benchmarks.prompts import Order, PromptSet

TOKENIZER = ROOT / "common" / "demo_model"
"""aiperf starts with a tokenizer only, though the server counts: any that lies on this disk."""
INPUTS, SYSTEM = "prompts.jsonl", "system_prompt.txt"
INPUT_PROMPTS = 4096
"""How many prompts the file has, in the order of the run; then aiperf begins again."""
FLAGS = ("streaming", "use-server-token-count", "use-legacy-max-tokens")
# Sampled by our own sampler, on the run's time axis.
NOT_SAMPLED = ("no-gpu-telemetry", "no-server-metrics")


def check_supported(spec: Spec, prompts: PromptSet) -> None:
    """Raises LoadGeneratorFailed for what aiperf would do otherwise than our client."""
    limited = any(prompt.max_tokens is not None for prompt in prompts.prompts)
    conditions = {
        "aiperf reads no raw stream: it takes --protocol chat or completions": (
            spec.protocol == "generate"
        ),
        "aiperf takes conversations of one turn here: leave --turns out": spec.turns > 1,
        "aiperf sends no empty system prompt: leave it out": spec.system_prompt is not None
        and not spec.system_prompt.strip(),
        f"aiperf takes {spec.model} for several models: a name cannot have a comma": (
            "," in (spec.model or "")
        ),
        "aiperf replays no trace here": spec.mode == "trace",
        "aiperf takes one system prompt for all here": any(
            prompt.system is not None for prompt in prompts.prompts
        ),
        "aiperf takes no max_tokens of single prompts: give --max-tokens": limited
        and spec.max_tokens is None,
    }
    for reason, holds in conditions.items():
        if holds:
            raise LoadGeneratorFailed(reason)


def write_inputs(spec: Spec, order: Order, folder: Path) -> None:
    """Writes the prompts, each with its index and id as its name, and the system prompt."""
    prefix = ""
    if spec.system_prompt is not None:
        if spec.protocol == "chat":
            (folder / SYSTEM).write_text(spec.system_prompt, "utf-8")
        else:
            prefix = f"{spec.system_prompt}\n\n"
    with (folder / INPUTS).open("w", encoding="utf-8") as file:
        for index in range(INPUT_PROMPTS):
            prompt = order[index]
            line = {"text": prefix + prompt.turns[0], "session_id": f"{index}-{prompt.id}"}
            file.write(json.dumps(line) + "\n")


def prompt_id(session: str) -> str:
    """Returns the id of the prompt of a line's name."""
    return session.partition("-")[2]


def arguments(spec: Spec, folder: Path, artifacts: Path) -> list[str]:
    """Returns the program's arguments; `folder` has what `write_inputs` wrote."""
    extra = {"temperature": spec.temperature, "ignore_eos": spec.ignore_eos or None}
    body = {name: value for name, value in extra.items() if value is not None}
    options: dict[str, Any] = {
        "model": spec.model,
        "url": spec.url,
        "endpoint-type": spec.protocol,
        "tokenizer": TOKENIZER,
        "input-file": folder / INPUTS,
        "custom-dataset-type": "single-turn",
        "dataset-sampling-strategy": "sequential",
        "random-seed": spec.seed,
        "concurrency": spec.users,
        "concurrency-ramp-duration": spec.ramp or None,
        "request-rate": spec.rate,
        "request-rate-mode": None if spec.mode == "closed" else spec.mode,
        "benchmark-duration": spec.duration,
        "benchmark-grace-period": spec.drain,
        "slice-duration": spec.window,
        "request-timeout-seconds": spec.timeout,
        "osl": spec.max_tokens,
        "system-prompt-file": folder / SYSTEM if (folder / SYSTEM).exists() else None,
        "extra-inputs": json.dumps(body) if body else None,
        "workers-max": spec.procs,
        "ui": "none",
        "artifact-dir": artifacts,
    }
    given = {name: str(value) for name, value in options.items() if value is not None}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    return ["profile", *(f"--{flag}" for flag in (*FLAGS, *NOT_SAMPLED)), *words]
