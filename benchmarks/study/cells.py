"""The cells of a study: the product of its axes, in the order in which they are measured."""

import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.study.reading import Plan, file_hash
from benchmarks.study.spec import NONE, Load, Match, Model, Study, Target
from benchmarks.study.text import StudyError


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a cell is on the axes of its study; repeats count from 0."""

    target: Target
    model: Model
    quantization: str
    system_prompt: str
    users: int | None
    rate: float | None
    repeat: int

    @property
    def name(self) -> str:
        """For a folder, saying what lies in it."""
        plain = self.system_prompt == NONE
        parts = [
            self.target.name,
            Path(self.model.name).name,
            self.quantization,
            "plain" if plain else Path(self.system_prompt).stem,
            f"{self.users}-users" if self.users is not None else f"{self.rate:g}-per-s",
            f"run-{self.repeat + 1}",
        ]
        return "_".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.") or "x" for part in parts)


@dataclass(frozen=True, kw_only=True)
class Cell(Point):
    """One run. `content` is all that bears on its numbers, and `hash` that of it; cells of one
    `service` may share a start of it."""

    id: str
    hash: str
    service: str
    content: Mapping[str, Any]
    system_prompt_file: Path | None
    seed: int
    load: Load

    @property
    def settings(self) -> Mapping[str, Any]:
        """That the service is started with, beside model and quantization."""
        settings: Mapping[str, Any] = self.content["settings"]
        return settings

    @property
    def at_load(self) -> str:
        """For a reader: how many users, or which rate."""
        if self.users is not None:
            return f"{self.users} user{'s' if self.users != 1 else ''}"
        return f"{self.rate:g} requests/s"

    @property
    def seconds(self) -> float:
        """That the load takes; answers in flight at its end take some more."""
        return self.load.duration


def cells(plan: Plan) -> tuple[Cell, ...]:
    """In the order of the study. Raises StudyError when nothing is left, or an exclusion has no
    effect."""
    made = list(_product(plan))
    study = plan.study
    for index, match in enumerate(study.exclude):
        if not any(_matches(match, cell) for cell in made):
            raise plan.text.error(("exclude", index), "no cell is like that")
    made = [cell for cell in made if not any(_matches(m, cell) for m in study.exclude)]
    if not made:
        raise StudyError(f"{plan.text.file}: every cell is excluded")
    return _ordered(_distinct(made), study)


def _product(plan: Plan) -> Iterator[Cell]:
    study = plan.study
    for repeat in range(max(target.repeats or study.repeats for target in study.backends)):
        for target in study.backends:
            if repeat >= (target.repeats or study.repeats):
                continue
            for model, quantization, system_prompt, (users, rate) in itertools.product(
                target.models or study.models,
                target.quantization or study.quantization,
                target.system_prompt or study.system_prompt,
                _levels(study.load, target),
            ):
                point = Point(
                    target=target,
                    model=model,
                    quantization=quantization,
                    system_prompt=system_prompt,
                    users=users,
                    rate=rate,
                    repeat=repeat,
                )
                yield _cell(plan, point)


def _levels(load: Load, target: Target) -> Iterable[tuple[int | None, float | None]]:
    if load.mode == "closed":
        return [(users, None) for users in target.users or load.users or ()]
    return [(None, rate) for rate in load.rate or ()]


def _cell(plan: Plan, point: Point) -> Cell:
    study, target = plan.study, point.target
    file = plan.system_prompts[point.system_prompt]
    service = {
        "backend": target.name,
        "module": target.backend,
        "url": target.url,
        "model": point.model.model_dump(),
        "quantization": point.quantization,
        "settings": {**study.settings, **target.settings} if target.backend else {},
        "variables": target.variables,
    }
    load = study.load.model_copy(update={"protocol": target.protocol or study.load.protocol})
    prompts = {**study.prompts.model_dump(), "file": plan.prompts_hash}
    if plan.prompts_hash is not None:
        prompts["source"] = Path(study.prompts.source).name
    level = {"users": point.users, "rate": point.rate}
    content = {
        **service,
        "load": {**load.model_dump(exclude={"users", "rate"}), **level},
        "system_prompt": None if file is None else file_hash(file),
        "prompts": prompts,
        "seed": study.seed + point.repeat,
        "limits": study.limits.model_dump(),
        "price_per_hour": target.price_per_hour or study.price_per_hour,
        "share_service": study.share_service,
        "repeat": point.repeat,
    }
    return Cell(
        **vars(point),
        id=point.name,
        hash=_hash(content),
        service=_hash({**service, "repeat": point.repeat}),
        content=content,
        system_prompt_file=file,
        seed=study.seed + point.repeat,
        load=load,
    )


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _distinct(made: Sequence[Cell]) -> list[Cell]:
    """Names that differ only in what a folder's name cannot hold get their hash."""
    ids = [cell.id for cell in made]
    return [
        cell if ids.count(cell.id) == 1 else replace(cell, id=f"{cell.id}_{cell.hash[:6]}")
        for cell in made
    ]


def _matches(match: Match, cell: Point) -> bool:
    own = {
        "backend": cell.target.name,
        "model": cell.model.name,
        "quantization": cell.quantization,
        "users": cell.users,
        "rate": cell.rate,
        "system_prompt": cell.system_prompt,
        "repeat": cell.repeat + 1,
    }
    return all(own[name] == getattr(match, name) for name in match.model_fields_set)


def _ordered(made: Sequence[Cell], study: Study) -> tuple[Cell, ...]:
    """Whole starts of a service are moved where several cells share one.

    `shuffled` spreads what drifts over all; `interleaved` goes through all backends again in each
    repeat, every second time backwards; `listed` does one backend after the other.
    """
    blocks: dict[str, list[Cell]] = {}
    for cell in made:
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


def _interleaved(blocks: Sequence[list[Cell]]) -> list[list[Cell]]:
    """The backends in turn within each repeat."""
    result: list[list[Cell]] = []
    for repeat in sorted({block[0].repeat for block in blocks}):
        queues: dict[str, list[list[Cell]]] = {}
        for block in blocks:
            if block[0].repeat == repeat:
                queues.setdefault(block[0].target.name, []).append(block)
        turns = max(map(len, queues.values()))
        round_robin = [q[turn] for turn in range(turns) for q in queues.values() if turn < len(q)]
        result += round_robin if repeat % 2 == 0 else reversed(round_robin)
    return result
