"""Will a model run, how, and what has to be built first: one plan for each backend.

    python -m common.plan --model meta-llama/Meta-Llama-3-70B --gpu a100-80gb
    python -m common.plan --model DIRECTORY --backend NAME --quantization awq --json

Nothing is loaded and no weights are fetched: a directory needs its config.json only, of a hub id
the headers of the weights are read. The exit code is 1 when no backend that was asked for can.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from common.command_line import Parser
from common.errors import StartError
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts, facts_of_directory
from common.models.hub import facts_of_hub
from common.models.model import local_directory
from common.plan.at_start import built_checkpoints
from common.plan.decide import Plan, decide
from common.plan.devices import CPU, Device, cpu_device, detected_device, known_gpus, named_device
from common.plan.errors import Refused
from common.plan.explanations import gib
from common.plan.inputs import PlanInputs
from common.plan.options import options_of
from common.plan.tables import DEMO, Table, tables
from common.settings import Settings, load_settings

SETTINGS: Mapping[str, str] = {
    "model": "directory or hub id; none is the demo model",
    "revision": "branch, tag or commit on the hub",
    "quantization": "auto, none, awq, gptq, fp8, int8, bitsandbytes, q4f16_1 …",
    "kv_cache_dtype": "auto, fp8, int8 …",
    "dtype": "auto, bfloat16, float16, float32",
    "max_model_len": "tokens of prompt plus answer",
    "tensor_parallel_size": "GPUs that share the model",
    "gpu_memory_utilization": "fraction of GPU memory",
    "kv_cache_gib": "size of the KV cache",
    "max_concurrency": "sequences in the engine at once",
    "engine_args": "JSON, to the engine",
}
HEAD = ("backend", "scheme", "weights", "KV cache", "per token", "tokens", "sequences")
Answer = Plan | StartError


def argument_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m common.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backend", help="one of services/; none is all of them, side by side")
    parser.add_argument("--gpu", help=f"{CPU}, {', '.join(known_gpus())}; none is what is here")
    parser.add_argument("--json", action="store_true", help="for a program")
    for name, description in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=description)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(argument_parser().parse_args(arguments))
    try:
        given = {name: options[name] for name in SETTINGS if options[name] is not None}
        settings = load_settings(given, {})
        chosen = chosen_tables(options["backend"])
        device = _device(options["gpu"])
        facts = facts_of(settings)
    except StartError as error:
        return fail(error)
    answers = [answer(facts, table, device, settings) for table in chosen]
    if options["json"]:
        print(json.dumps([as_json(*pair) for pair in zip(chosen, answers, strict=True)], indent=2))
    elif options["backend"] is None:
        print(side_by_side(facts, device, chosen, answers))
    elif isinstance(answers[0], Plan):
        print(one(facts, device, answers[0]))
    else:
        return fail(answers[0])
    return 0 if any(isinstance(each, Plan) for each in answers) else 1


def fail(error: StartError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


def chosen_tables(backend: str | None) -> list[Table]:
    """Returns the tables to plan with. Raises StartError for a backend that has none."""
    every = tables()
    if backend is None:
        return every
    named = [table for table in every if table.name == backend]
    if not named:
        allowed = ", ".join(table.name for table in every)
        raise StartError(f"--backend: no {backend!r} loads weights; allowed are {allowed}")
    return named


def _device(gpu: str | None) -> Device:
    """Returns the named one, else what is here. Raises Refused."""
    return (detected_device() or cpu_device()) if gpu is None else named_device(gpu)


def facts_of(settings: Settings) -> ModelFacts:
    """Raises StartError."""
    path = local_directory(settings)
    if path is not None:
        return facts_of_directory(path, settings.model or DEMO)
    return facts_of_hub(str(settings.model), settings.revision)


def answer(facts: ModelFacts, table: Table, device: Device, settings: Settings) -> Answer:
    """Returns a plan, or why there is none."""
    inputs = PlanInputs(facts, table, device, options_of(settings), built_checkpoints(settings))
    try:
        return decide(inputs)
    except (Refused, NotUnderstood) as error:
        return error


def as_json(table: Table, result: Answer) -> dict[str, Any]:
    if isinstance(result, Plan):
        return dataclasses.asdict(result)
    return {"backend": table.name, "refused": str(result)}


def heading(facts: ModelFacts, device: Device) -> str:
    own = facts.quantization
    weights = "not quantized" if own.scheme == "none" else str(own)
    memory = "" if device.memory is None else f", {gib(device.memory)}"
    capability = device.compute_capability
    suffix = "" if capability is None else f", compute capability {capability:.1f}"
    return (
        f"model   {facts.name}: {facts.config.model_type}, {facts.dtype}, {weights}\n"
        f"device  {device.name}{memory}{suffix}"
    )


def side_by_side(
    facts: ModelFacts, device: Device, chosen: Sequence[Table], answers: Sequence[Answer]
) -> str:
    """Returns a line for each backend that can, then why the others cannot and what to build."""
    rows = [HEAD, *(row(each) for each in answers if isinstance(each, Plan))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in rows
    ]
    notes = [
        f"{table.name}: {note}"
        for table, result in zip(chosen, answers, strict=True)
        if (note := remark(result))
    ]
    return "\n".join([heading(facts, device), "", *lines, "", *notes]).rstrip()


def remark(result: Answer) -> str | None:
    if isinstance(result, StartError):
        return f"refused: {result}"
    return None if result.build is None else f"first run: {result.build}"


def row(plan: Plan) -> tuple[str, ...]:
    return (
        plan.backend,
        plan.scheme,
        size(plan.weight_bytes),
        plan.kv_cache_dtype,
        size(plan.kv_bytes_per_token),
        count(plan.kv_tokens),
        count(plan.sequences),
    )


def one(facts: ModelFacts, device: Device, plan: Plan) -> str:
    """Returns everything that is known of one plan."""
    values = {
        "backend": plan.backend,
        "checkpoint": plan.checkpoint,
        "scheme": plan.scheme,
        "given to the engine": plan.engine_name or "nothing: the checkpoint says it",
        "arguments": json.dumps(plan.arguments) if plan.arguments else "none",
        "weights": size(plan.weight_bytes),
        "weights, each device": size(plan.device_weight_bytes),
        "overhead": size(plan.overhead_bytes),
        "KV cache": f"{size(plan.kv_bytes)} in {plan.kv_cache_dtype}",
        "KV cache, a token": size(plan.kv_bytes_per_token),
        "tokens": count(plan.kv_tokens),
        "sequences": f"{count(plan.sequences)} of {plan.max_model_len} tokens",
        "memory": size(plan.memory_bytes),
        "reason": plan.reason,
    }
    if plan.build is not None:
        values["first run"] = plan.build
    width = max(map(len, values))
    lines = (f"{name.ljust(width)}  {value}" for name, value in values.items())
    return "\n".join([heading(facts, device), "", *lines])


def size(value: int | None) -> str:
    if value is None:
        return "?"
    return f"{value / 1024:g} KiB" if value < 2**20 else gib(value)


def count(value: int | None) -> str:
    return "?" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
