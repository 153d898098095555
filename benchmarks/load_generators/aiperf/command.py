"""aiperf's command line and files, by a spec of ours."""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.spec import Spec
from benchmarks.load_generators.aiperf.errors import EngineFailed
from benchmarks.load_generators.aiperf.program import ROOT
from benchmarks.prompts import Order, PromptSet

TOKENIZER = ROOT / "common" / "demo_model"
"""aiperf starts with a tokenizer only, though the server counts: any that lies on this disk."""
INPUTS, SYSTEM = "prompts.jsonl", "system_prompt.txt"
PROMPTS = 4096
"""In the file, in the order of the run; after the last aiperf begins again."""


def refuse(spec: Spec, prompts: PromptSet) -> None:
    """What aiperf would do otherwise than we do. Raises EngineFailed."""
    reasons = {
        "aiperf reads no raw stream: it takes --protocol chat or completions": (
            spec.protocol == "generate"
        ),
        "aiperf takes conversations of one turn here: leave --turns out": spec.turns > 1,
        "aiperf sends no empty system prompt: leave it out": spec.system_prompt is not None
        and not spec.system_prompt.strip(),
        f"aiperf takes {spec.model} for several models: a name cannot have a comma": (
            "," in (spec.model or "")
        ),
        "aiperf takes no max_tokens of single prompts: give --max-tokens": spec.max_tokens is None
        and any(prompt.max_tokens is not None for prompt in prompts.prompts),
    }
    for reason, holds in reasons.items():
        if holds:
            raise EngineFailed(reason)


def write_files(spec: Spec, order: Order, folder: Path) -> None:
    """The prompts, each with its place as its name, and the system prompt. Raises OSError."""
    prefix = ""
    if spec.system_prompt is not None:
        if spec.protocol == "chat":
            (folder / SYSTEM).write_text(spec.system_prompt, "utf-8")
        else:
            prefix = f"{spec.system_prompt}\n\n"
    with (folder / INPUTS).open("w", encoding="utf-8") as file:
        for place in range(PROMPTS):
            prompt = order[place]
            line = {"text": prefix + prompt.turns[0], "session_id": f"{place}-{prompt.id}"}
            file.write(json.dumps(line) + "\n")


def prompt_of(session: str) -> str:
    """Its id, by the name of a line of the file."""
    return session.partition("-")[2]


def arguments(spec: Spec, folder: Path, artifacts: Path) -> list[str]:
    """Of the program; `folder` has what `write_files` wrote."""
    return ["profile", *_flags(spec), *_options(spec, folder, artifacts)]


def _flags(spec: Spec) -> Iterator[str]:
    yield "--streaming"
    yield "--use-server-token-count"
    yield "--use-legacy-max-tokens"
    # Sampled by our own sampler, on the run's time axis.
    yield "--no-gpu-telemetry"
    yield "--no-server-metrics"


def _options(spec: Spec, folder: Path, artifacts: Path) -> Iterator[str]:
    closed = spec.mode == "closed"
    extra = {"temperature": spec.temperature, "ignore_eos": spec.ignore_eos or None}
    sent = {name: value for name, value in extra.items() if value is not None}
    system = folder / SYSTEM
    given = {
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
        "request-rate-mode": None if closed else spec.mode,
        "benchmark-duration": spec.duration,
        "benchmark-grace-period": spec.drain,
        "slice-duration": spec.window,
        "request-timeout-seconds": spec.timeout,
        "osl": spec.max_tokens,
        "system-prompt-file": system if system.exists() else None,
        "extra-inputs": json.dumps(sent) if sent else None,
        "workers-max": spec.procs,
        "ui": "none",
        "artifact-dir": artifacts,
    }
    for name, value in given.items():
        if value is not None:
            yield f"--{name}"
            yield str(value)
