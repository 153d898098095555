"""Tokens per second and CPU time per token of the services next to other servers, in one run."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.overhead.manifest import manifest
from benchmarks.overhead.measure import ClientFailed, Load, Sample, measure
from benchmarks.overhead.plans import Plan, overhead_plan, vllm_plan
from benchmarks.overhead.report import ratios, render, rows
from benchmarks.overhead.servers import ROOT, ServerFailed, running
from common.command_line import Parser

SERVER_CORE, CLIENT_CORE = 0, 1


def main() -> int:
    """Exit status 1 when a server, a stream or a whole round cannot be trusted."""
    options = _options()
    load = Load(options.streams, options.tokens, options.waves, options.rounds)
    if options.vllm:
        plan = vllm_plan(load, options.model, options.python, options.max_model_len)
    else:
        plan = overhead_plan(load, options.model)
    about = manifest(options.python if options.vllm else None)
    try:
        samples = _measure(plan, load)
    except (ServerFailed, ClientFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    table, compared = rows(samples), ratios(samples, plan.comparisons)
    print(f"\n{about['cpu']}, {load.streams} streams x {load.tokens} tokens\n")
    print(render(table, compared))
    if options.json is not None:
        result = {
            "manifest": {**about, "plan": plan.name, "load": asdict(load), "model": options.model},
            "servers": [asdict(row) for row in table],
            "ratios": [asdict(ratio) for ratio in compared],
            "samples": [{**asdict(sample), "void": sample.void} for sample in samples],
        }
        _write(options.json, result)
    return 1 if any(sample.void for sample in samples) else 0


def _measure(plan: Plan, load: Load) -> list[Sample]:
    pinned = plan.pinned and hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1
    with running(plan.servers, SERVER_CORE if pinned else None) as servers:
        print(f"{', '.join(servers)} ready; {'pinned' if pinned else 'not pinned'}", flush=True)
        targets = plan.targets(servers)
        return measure(targets, servers, load, CLIENT_CORE if pinned else None, _tell)


def _tell(sample: Sample) -> None:
    note = "" if sample.void is None else f"; void: {sample.void}"
    print(
        f"round {sample.round + 1}  {sample.target:<18}{sample.tokens_per_second:>9.0f} tokens/s, "
        f"server {sample.server_load:.0%}, client {sample.client_load:.0%} of a core{note}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = Parser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--vllm", action="store_true", help="vLLM here and behind its own server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waves", type=int, default=5, help="loads per target and round")
    parser.add_argument("--streams", type=int, help="default: 100; with --vllm 50")
    parser.add_argument("--tokens", type=int, help="per stream; default: 200; with --vllm 100")
    parser.add_argument("--model", help="directory; default: the demo model")
    parser.add_argument("--max-model-len", type=int, default=4096, help="with --vllm")
    parser.add_argument("--python", default=_default_python(), help="interpreter that has vLLM")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    options.streams = options.streams or (50 if options.vllm else 100)
    options.tokens = options.tokens or (100 if options.vllm else 200)
    if options.vllm and options.model is None:
        options.model = str(ROOT / "common" / "demo_model")
    return options


def _default_python() -> str:
    own = ROOT / ".venv-vllm" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _write(file: Path, result: dict[str, Any]) -> None:
    file.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
