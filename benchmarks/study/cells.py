"""The cells of a study: the product of its axes, in the order in which they are measured."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.load.spec import Spec
from benchmarks.load.sweep_spec import SweepSpec
from benchmarks.quality.tasks import task_hash
from benchmarks.study.cell import LoadCell, QualityCell, StudyCell
from benchmarks.study.ordering import ordered
from benchmarks.study.reading import StudyPlan
from benchmarks.study.spec import NONE, Exclusion, StudyModel, StudyTarget
from benchmarks.study.yaml_text import StudyError

LATER_FIELDS = {"gpus": None, "trace_speed": 1}
"""Fields of a load that cells have only where they are not these, so that those which were measured
before there were such fields stay the same."""


def cells(plan: StudyPlan) -> tuple[StudyCell, ...]:
    """Returns them in the order of the study. Raises StudyError when nothing is left, or an
    exclusion has no effect."""
    study = plan.study
    every: list[StudyCell] = [*_quality_cells(plan), *_load_cells(plan)]
    for index, exclusion in enumerate(study.exclude):
        if not any(_excludes(exclusion, cell) for cell in every):
            raise plan.text.error(("exclude", index), "no cell is like that")
    kept = [cell for cell in every if not any(_excludes(e, cell) for e in study.exclude)]
    if not kept:
        raise StudyError(f"{plan.text.file}: every cell is excluded")
    return ordered(_distinct(kept), study)


def _quality_cells(plan: StudyPlan) -> Iterator[QualityCell]:
    """Yields them before those of load, and so before them on a start that they share."""
    study = plan.study
    for target in study.backends if plan.quality else ():
        for model, quantization in itertools.product(
            target.models or study.models, target.quantization or study.quantization
        ):
            model = model.of(quantization)
            service = _service_content(plan, target, model, quantization, 0)
            tasks = [
                {**task.model_dump(exclude={"file", "include"}), "hash": task_hash(task)}
                for task in plan.quality
            ]
            content = {**service, "quality": tasks}
            yield QualityCell(
                target=target,
                model=model,
                quantization=quantization,
                repeat=0,
                content=content,
                id=_id(target.name, Path(model.name).name, quantization, "quality"),
                hash=_hash(content),
                service=_hash(service),
                tasks=plan.quality,
            )


def _load_cells(plan: StudyPlan) -> Iterator[LoadCell]:
    study = plan.study
    for repeat in range(max(target.repeats or study.repeats for target in study.backends)):
        for target in study.backends:
            if repeat >= (target.repeats or study.repeats):
                continue
            for model, quantization, system_prompt, load in itertools.product(
                target.models or study.models,
                target.quantization or study.quantization,
                target.system_prompt or study.system_prompt,
                study.loads(target),
            ):
                own = model.of(quantization)
                yield _cell(plan, load, target, own, quantization, system_prompt, repeat)


def _cell(
    plan: StudyPlan,
    load: Spec,
    target: StudyTarget,
    model: StudyModel,
    quantization: str,
    system_prompt: str,
    repeat: int,
) -> LoadCell:
    text = plan.system_prompts[system_prompt]
    seed = plan.study.seed + repeat
    spec = load.model_copy(update={"system_prompt": text, "prompts": plan.prompts, "seed": seed})
    service = _service_content(plan, target, model, quantization, repeat)
    content = {
        **service,
        "load": _load_content(plan, spec),
        "prompts_file": plan.prompts_hash,
        "system_prompt": None if text is None else _hash(text),
        "share_service": plan.study.share_service,
    }
    parts = (
        target.name,
        Path(model.name).name,
        quantization,
        "plain" if system_prompt == NONE else Path(system_prompt).stem,
        _level_id(spec),
        *(["sweep"] if isinstance(spec, SweepSpec) else []),
        f"run-{repeat + 1}",
    )
    return LoadCell(
        target=target,
        model=model,
        quantization=quantization,
        system_prompt=system_prompt,
        repeat=repeat,
        spec=spec,
        content=content,
        id=_id(*parts),
        hash=_hash(content),
        service=_hash(service),
    )


def _level_id(spec: Spec) -> str:
    if spec.users is not None:
        return f"{spec.users}-users"
    return f"{spec.rate:g}-per-s" if spec.rate is not None else f"trace-x{spec.trace_speed:g}"


def _service_content(
    plan: StudyPlan, target: StudyTarget, model: StudyModel, quantization: str, repeat: int
) -> dict[str, Any]:
    """Returns what is started for a cell. Fields that only some studies have are there only for
    those, so that the cells of others stay the same."""
    return {
        "backend": target.name,
        "module": target.backend,
        "url": target.url,
        "model": model.model_dump(),
        "quantization": quantization,
        "settings": {**plan.study.settings, **target.settings} if target.is_ours else {},
        "variables": target.variables,
        "repeat": repeat,
        **({"command": target.command} if target.command else {}),
        **({"pinned": True} if plan.study.pinned else {}),
    }


def _load_content(plan: StudyPlan, spec: Spec) -> dict[str, Any]:
    """Returns what of the load bears on the numbers, wherever the study's files lie; their content
    is hashed beside it."""
    values = spec.model_dump(exclude={"url", "model", "system_prompt", "metrics_url", "pid"})
    for name, usual in LATER_FIELDS.items():
        if values[name] == usual:
            del values[name]
    source, tokenizer = plan.study.prompts.source, plan.study.prompts.tokenizer
    values["prompts"] |= {
        "source": source if plan.prompts_hash is None else Path(source).name,
        "tokenizer": tokenizer,
    }
    return values


def _id(*parts: str) -> str:
    return "_".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.") or "x" for part in parts)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _distinct(every: Sequence[StudyCell]) -> list[StudyCell]:
    """Returns them with ids that differ: those that differ only in what a folder's name cannot hold
    get their hash."""
    ids = [cell.id for cell in every]
    return [
        cell if ids.count(cell.id) == 1 else replace(cell, id=f"{cell.id}_{cell.hash[:6]}")
        for cell in every
    ]


def _excludes(exclusion: Exclusion, cell: StudyCell) -> bool:
    """Returns whether a cell has all that is named; one of quality has no load and no repeats."""
    values: dict[str, Any] = {
        "backend": cell.target.name,
        "model": cell.model.name,
        "quantization": cell.quantization,
    }
    if isinstance(cell, LoadCell):
        values |= {
            "users": cell.spec.users,
            "rate": cell.spec.rate,
            "system_prompt": cell.system_prompt,
            "repeat": cell.repeat + 1,
        }
    named = exclusion.model_fields_set
    return named <= values.keys() and all(values[n] == getattr(exclusion, n) for n in named)
