"""The cells of a study: the product of its axes, in the order in which they are measured."""

import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.load.spec import Spec
from benchmarks.study.reading import StudyPlan
from benchmarks.study.spec import NONE, Exclusion, StudyFile, StudyModel, StudyTarget
from benchmarks.study.yaml_text import StudyError
from benchmarks.words import counted


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """One run of a study; repeats count from 0, `system_prompt` is its name in the file.

    `id` is for a folder, and says what lies in it. `content` is all that bears on the numbers, and
    `hash` that of it; cells of one `service` may share a start of it. The URL in `spec` is not that
    of a service which is yet to be started.
    """

    target: StudyTarget
    model: StudyModel
    quantization: str
    system_prompt: str
    repeat: int
    spec: Spec
    content: Mapping[str, Any]
    id: str
    hash: str
    service: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """Returns what the service is started with, beside model and quantization."""
        settings: Mapping[str, Any] = self.content["settings"]
        return settings

    @property
    def level(self) -> str:
        """Returns how many users there are, or which rate, for a reader."""
        if self.spec.users is not None:
            return counted(self.spec.users, "user")
        return f"{self.spec.rate:g} requests/s"


def cells(plan: StudyPlan) -> tuple[StudyCell, ...]:
    """Returns them in the order of the study. Raises StudyError when nothing is left, or an
    exclusion has no effect."""
    every = list(_product(plan))
    study = plan.study
    for index, exclusion in enumerate(study.exclude):
        if not any(_excludes(exclusion, cell) for cell in every):
            raise plan.text.error(("exclude", index), "no cell is like that")
    kept = [cell for cell in every if not any(_excludes(e, cell) for e in study.exclude)]
    if not kept:
        raise StudyError(f"{plan.text.file}: every cell is excluded")
    return _ordered(_distinct(kept), study)


def _product(plan: StudyPlan) -> Iterator[StudyCell]:
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
                yield _cell(plan, load, target, model, quantization, system_prompt, repeat)


def _cell(
    plan: StudyPlan,
    load: Spec,
    target: StudyTarget,
    model: StudyModel,
    quantization: str,
    system_prompt: str,
    repeat: int,
) -> StudyCell:
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
    parts = [
        target.name,
        Path(model.name).name,
        quantization,
        "plain" if system_prompt == NONE else Path(system_prompt).stem,
        f"{spec.users}-users" if spec.users is not None else f"{spec.rate:g}-per-s",
        f"run-{repeat + 1}",
    ]
    return StudyCell(
        target=target,
        model=model,
        quantization=quantization,
        system_prompt=system_prompt,
        repeat=repeat,
        spec=spec,
        content=content,
        id="_".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.") or "x" for part in parts),
        hash=_hash(content),
        service=_hash(service),
    )


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
    source, tokenizer = plan.study.prompts.source, plan.study.prompts.tokenizer
    values["prompts"] |= {
        "source": source if plan.prompts_hash is None else Path(source).name,
        "tokenizer": tokenizer,
    }
    return values


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
    values = {
        "backend": cell.target.name,
        "model": cell.model.name,
        "quantization": cell.quantization,
        "users": cell.spec.users,
        "rate": cell.spec.rate,
        "system_prompt": cell.system_prompt,
        "repeat": cell.repeat + 1,
    }
    return all(values[name] == getattr(exclusion, name) for name in exclusion.model_fields_set)


def _ordered(every: Sequence[StudyCell], study: StudyFile) -> tuple[StudyCell, ...]:
    """Returns them as the study orders them; all cells of one start are moved together.

    `shuffled` spreads what drifts over all; `interleaved` goes through all backends again in each
    repeat, every second time backwards; `listed` does one backend after the other.
    """
    blocks: dict[str, list[StudyCell]] = {}
    for cell in every:
        blocks.setdefault(cell.service if study.share_service else cell.id, []).append(cell)
    ordered = list(blocks.values())
    if study.order == "shuffled":
        random.Random(study.seed).shuffle(ordered)
    elif study.order == "interleaved":
        ordered = _interleaved(ordered)
    else:
        names = [target.name for target in study.backends]
        ordered.sort(key=lambda block: names.index(block[0].target.name))
    return tuple(cell for block in ordered for cell in block)


def _interleaved(blocks: Sequence[list[StudyCell]]) -> list[list[StudyCell]]:
    """Returns the blocks with the backends in turn within each repeat."""
    result: list[list[StudyCell]] = []
    for repeat in sorted({block[0].repeat for block in blocks}):
        queues: dict[str, list[list[StudyCell]]] = {}
        for block in blocks:
            if block[0].repeat == repeat:
                queues.setdefault(block[0].target.name, []).append(block)
        turns = max(map(len, queues.values()))
        round_robin = [q[turn] for turn in range(turns) for q in queues.values() if turn < len(q)]
        result += round_robin if repeat % 2 == 0 else reversed(round_robin)
    return result
