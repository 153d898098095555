"""The plan that a service starts with, decided before anything is loaded, and logged."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.engine import Engine
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts, facts_of_directory
from common.models.hub import download, draft_facts, facts_of_hub, is_cached
from common.models.model import LoadPlan, Model, open_model
from common.plan.choice import BuiltCheckpoint, BuiltCheckpoints
from common.plan.decide import Plan, choose, decide
from common.plan.devices import Device, cpu_device, detected_device
from common.plan.errors import Refused
from common.plan.inputs import PlanInputs
from common.plan.options import options_of
from common.plan.tables import DEMO, Table, merged, table
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.plan")


def is_planned(engine: type[Engine], settings: Settings) -> bool:
    """Returns whether weights are loaded here: not for a server that runs already, nor what was
    compiled, nor where no weights answer."""
    if settings.engine_url is not None or settings.engine_dir is not None:
        return False
    return engine.loads_weights and not table(engine.name, engine.title).compiled


def check(engine: type[Engine], settings: Settings, model: Model) -> None:
    """Plans before anything starts. Raises Refused."""
    if is_planned(engine, settings):
        _plan(engine, settings, facts_of_directory(model.path, _name(settings)))


def fetch(engine: type[Engine], settings: Settings) -> Path:
    """Returns a hub model's directory, once it is here; or that of what was built from it.

    Raises Refused before the weights are fetched, StartError when they cannot be.
    """
    model, revision = settings.model, settings.revision
    assert model is not None
    # With a model in its cache the hub need not be reachable.
    if is_planned(engine, settings) and not is_cached(model, revision):
        plan = _plan(engine, settings, facts_of_hub(model, revision))
        if plan.artifact is not None:
            return Path(plan.checkpoint)
    return download(settings)


def apply(engine: type[Engine], settings: Settings, model: Model) -> tuple[Settings, Model]:
    """Returns the settings with the engine's arguments for what was planned, and the model with
    the checkpoint and the scheme to load.

    Raises Refused.
    """
    if not is_planned(engine, settings):
        return settings, model
    plan = _plan(engine, settings, facts_of_directory(model.path, _name(settings)))
    _log(plan)
    values: dict[str, Any] = {"engine_args": merged(plan.arguments, settings.engine_args)}
    if plan.artifact is not None:
        values |= {"model": plan.checkpoint, "served_model_name": model.served_name}
    planned = settings.model_copy(update=values)
    if plan.artifact is not None:
        model = open_model(planned, Path(plan.checkpoint))
    load = LoadPlan(
        plan.scheme,
        plan.engine_name,
        plan.dtype,
        plan.device_weight_bytes,
        plan.kv_bytes_per_token,
    )
    return planned, replace(model, load=load)


def _plan(engine: type[Engine], settings: Settings, facts: ModelFacts) -> Plan:
    """Raises Refused."""
    rows = table(engine.name, engine.title)
    device, options = _device(rows, settings), options_of(settings)
    built, draft = built_checkpoints(settings), draft_facts(settings)
    inputs = PlanInputs(facts, rows, device, options, built, draft)
    try:
        plan = decide(inputs)
    except NotUnderstood as error:
        logger.warning("whether the model fits is not checked: %s", error)
        plan = choose(inputs)
    if plan.build is not None:
        raise Refused(
            f"{facts.name} as {plan.scheme} has to be compiled for {rows.title} first "
            f"({plan.reason}): {plan.build}; then set engine_dir=auto"
        )
    return plan


def _name(settings: Settings) -> str:
    return settings.model or DEMO


def _device(rows: Table, settings: Settings) -> Device:
    """Returns where the engine runs; without an NVIDIA GPU it may have another make's."""
    if rows.elsewhere is not None and settings.engine_args.get(rows.elsewhere) is not None:
        return Device("other machines", "unknown")
    gpus = detected_device()
    if gpus is not None:
        return gpus
    return cpu_device() if rows.cpu else Device("this machine", "unknown")


def built_checkpoints(settings: Settings) -> BuiltCheckpoints:
    """Returns the checkpoints of the store that were built from the settings' model, by scheme."""

    def checkpoints(scheme: str) -> Sequence[BuiltCheckpoint]:
        from common.models.artifacts import find

        return [
            BuiltCheckpoint(each.tag, str(each.path), facts_of_directory(each.path, each.tag))
            for each in find(settings, kind="checkpoint", scheme=scheme)
        ]

    return checkpoints


def _log(plan: Plan) -> None:
    logger.info("plan for %s: %s, computed in %s", plan.model, plan.reason, plan.dtype)
    if plan.arguments:
        logger.info("arguments of the plan: %s", plan.arguments)
    if plan.sequences is not None:
        logger.info(
            "%s tokens of context, %d such sequences at once", plan.max_model_len, plan.sequences
        )
