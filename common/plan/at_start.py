"""The plan that a service starts with: made before anything is loaded, told in its log."""

import logging
from collections.abc import Sequence
from pathlib import Path

from common.engine import Engine
from common.models.model import Model, download, open_model
from common.plan.choice import Artifacts, Found
from common.plan.decide import Plan, Question, choose, decide
from common.plan.devices import Device, cpu_device, detected_device
from common.plan.errors import NotUnderstood, Refused
from common.plan.facts import ModelFacts, facts_of_directory
from common.plan.hub import facts_of_hub, is_cached
from common.plan.tables import DEMO, Table, merged, table
from common.plan.wish import wish_of
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.plan")


def is_planned(engine: type[Engine], settings: Settings) -> bool:
    """Not for a server that runs already, for what was compiled, or where no weights answer."""
    if settings.engine_url is not None or settings.engine_dir is not None:
        return False
    return engine.loads_weights and not _table(engine).compiled


def check(engine: type[Engine], settings: Settings, model: Model) -> None:
    """Before anything starts. Raises Refused."""
    if is_planned(engine, settings):
        _plan(engine, settings, facts_of_directory(model.path, _name(settings)))


def fetch(engine: type[Engine], settings: Settings) -> Path:
    """A hub model's directory, once it is here; or that of what was built from it.

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
    """What the engine is given instead: schemes by its own names, and the checkpoint to load.

    Raises Refused.
    """
    if not is_planned(engine, settings):
        return settings, model
    plan = _plan(engine, settings, facts_of_directory(model.path, _name(settings)))
    _tell(plan)
    values = {
        "quantization": plan.engine_name,
        "engine_args": merged(plan.arguments, settings.engine_args),
    }
    if plan.artifact is not None:
        values |= {"model": plan.checkpoint, "served_model_name": model.served_name}
    planned = settings.model_copy(update=values)
    if plan.artifact is not None:
        model = open_model(planned, Path(plan.checkpoint))
    return planned, model


def _plan(engine: type[Engine], settings: Settings, facts: ModelFacts) -> Plan:
    """Raises Refused."""
    found = _table(engine)
    device = _device(found, settings)
    question = Question(facts, found, device, wish_of(settings), artifacts_of(settings))
    try:
        plan = decide(question)
    except NotUnderstood as error:
        logger.warning("whether the model fits is not checked: %s", error)
        plan = choose(question)
    if plan.build is not None:
        raise Refused(
            f"{facts.name} as {plan.scheme} has to be compiled for {found.title} first "
            f"({plan.reason}): {plan.build}; then set engine_dir=auto"
        )
    return plan


def _table(engine: type[Engine]) -> Table:
    return table(engine.name, engine.title)


def _name(settings: Settings) -> str:
    return settings.model or DEMO


def _device(found: Table, settings: Settings) -> Device:
    """Without an NVIDIA GPU an engine that needs one may have another make's."""
    if found.elsewhere is not None and settings.engine_args.get(found.elsewhere) is not None:
        return Device("other machines", "unknown")
    gpus = detected_device()
    if gpus is not None:
        return gpus
    return cpu_device() if found.cpu else Device("this machine", "unknown")


def artifacts_of(settings: Settings) -> Artifacts:
    """The checkpoints in the store that were made from the settings' model."""

    def found(scheme: str) -> Sequence[Found]:
        from common.models.artifacts import find

        return [
            Found(artifact.tag, str(artifact.path), facts_of_directory(artifact.path, artifact.tag))
            for artifact in find(settings, kind="checkpoint", scheme=scheme)
        ]

    return found


def _tell(plan: Plan) -> None:
    logger.info("plan for %s: %s", plan.model, plan.reason)
    if plan.arguments:
        logger.info("arguments of the plan: %s", plan.arguments)
    if plan.sequences is not None:
        logger.info(
            "%s tokens of context, %d such sequences at once", plan.max_model_len, plan.sequences
        )
