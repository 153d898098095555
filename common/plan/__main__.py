"""Will a model run, how, and what has to be built first: one plan for each backend.

    python -m common.plan --model meta-llama/Meta-Llama-3-70B --gpu a100-80gb
    python -m common.plan --model DIRECTORY --backend NAME --quantization awq --json

Nothing is loaded and no weights are fetched: a directory needs its config.json only, of a hub id
the headers of the weights are read. The exit code is 1 when no backend that was asked for can.
"""

import argparse
import dataclasses
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from common.command_line import Parser, exit_status, text_table
from common.engine import Engine
from common.errors import StartError
from common.machine import relevant
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts, facts_of_directory
from common.models.hub import draft_facts, facts_of_hub
from common.models.model import local_directory
from common.plan.at_start import built_checkpoints
from common.plan.decide import Plan, decide
from common.plan.devices import CPU, Device, cpu_device, detected_device, known_gpus, named_device
from common.plan.inputs import PlanInputs
from common.plan.options import options_of
from common.plan.reason import gib
from common.plan.tables import DEMO, FOLDER, Table, tables
from common.settings import Settings, load_settings

SETTINGS = (
    *("model", "revision", "quantization", "kv_cache_dtype", "dtype", "max_model_len"),
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "expert_parallel"),
    *("speculative", "gpu_memory_utilization", "kv_cache_gib", "kv_offload", "max_concurrency"),
    *("adapters", "max_adapter_rank", "engine_args"),
)
HEAD = ("backend", "scheme", "weights", "KV cache", "per token", "tokens", "sequences", "needs")
NOTHING = "-"
Answer = tuple[Plan, list[str]] | StartError
"""A plan with what its engine takes from the machine, or why there is no plan."""


def argument_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m common.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backend", help="one of services/; none is all of them, side by side")
    parser.add_argument("--gpu", help=f"{CPU}, {', '.join(known_gpus())}; none is what is here")
    parser.add_argument("--json", action="store_true", help="for a program")
    for name in SETTINGS:
        text = Settings.model_fields[name].description
        parser.add_argument(f"--{name.replace('_', '-')}", help=text)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(argument_parser().parse_args(arguments))
    return exit_status(lambda: _plan(options), StartError)


def _plan(options: Mapping[str, Any]) -> int:
    """Prints the plans. Returns 1 where no backend has one. Raises StartError."""
    given = {name: options[name] for name in SETTINGS if options[name] is not None}
    settings = load_settings(given, {})
    chosen = chosen_tables(options["backend"])
    device = _device(options["gpu"])
    facts, draft = facts_of(settings), draft_facts(settings)
    answers = {table.name: answer(facts, table, device, settings, draft) for table in chosen}
    if options["json"]:
        print(json.dumps([as_json(*each) for each in answers.items()], indent=2))
    elif options["backend"] is None:
        print(side_by_side(facts, device, answers))
    else:
        (only,) = answers.values()
        if isinstance(only, StartError):
            raise only
        print(one(facts, device, *only))
    return 1 if all(isinstance(each, StartError) for each in answers.values()) else 0


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


def answer(
    facts: ModelFacts,
    table: Table,
    device: Device,
    settings: Settings,
    draft: ModelFacts | None = None,
) -> Answer:
    engine = _engine(table)
    built = built_checkpoints(settings)
    inputs = PlanInputs(facts, table, device, options_of(settings), built, draft)
    try:
        engine.check_supported(settings)
        return decide(inputs), needs(engine, device, settings)
    except (StartError, NotUnderstood) as error:
        return error


def _engine(table: Table) -> type[Engine]:
    """Returns the class of the adapter beside which the table stands."""
    adapter = importlib.import_module(f"{FOLDER.name}.{table.name}")
    classes = (each for each in vars(adapter).values() if isinstance(each, type))
    return next(c for c in classes if issubclass(c, Engine) and vars(c).get("name") == table.name)


def needs(engine: type[Engine], device: Device, settings: Settings) -> list[str]:
    """Returns what the engine takes from the machine beside the packages that pip installs."""
    programs = [] if engine.binary is None else [engine.binary]
    looked_for = [] if device.kind == "cpu" else relevant(engine.needed(settings), settings)
    return [*programs, *looked_for]


def as_json(backend: str, result: Answer) -> dict[str, Any]:
    if isinstance(result, StartError):
        return {"backend": backend, "refused": str(result)}
    plan, needed = result
    return {**dataclasses.asdict(plan), "needs": needed}


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


def side_by_side(facts: ModelFacts, device: Device, answers: Mapping[str, Answer]) -> str:
    """Returns a line for each backend that can, then why the others cannot and what to build."""
    rows = [row(*each) for each in answers.values() if not isinstance(each, StartError)]
    notes = [f"{backend}: {note}" for backend, each in answers.items() if (note := remark(each))]
    return "\n".join([heading(facts, device), "", text_table([HEAD, *rows]), "", *notes]).rstrip()


def remark(result: Answer) -> str | None:
    if isinstance(result, StartError):
        return f"refused: {result}"
    build = result[0].build
    return None if build is None else f"first run: {build}"


def row(plan: Plan, needed: Sequence[str]) -> tuple[str, ...]:
    return (
        plan.backend,
        plan.scheme,
        size(plan.weight_bytes),
        plan.kv_cache_dtype,
        size(plan.kv_bytes_per_token),
        count(plan.kv_tokens),
        count(plan.sequences),
        ", ".join(needed) or NOTHING,
    )


def one(facts: ModelFacts, device: Device, plan: Plan, needed: Sequence[str]) -> str:
    """Returns everything that is known of one plan."""
    values = {
        "backend": plan.backend,
        "checkpoint": plan.checkpoint,
        "scheme": plan.scheme,
        "computed in": plan.dtype,
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
        "GPUs": count(plan.gpus),
        "needs": ", ".join(needed) or NOTHING,
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
