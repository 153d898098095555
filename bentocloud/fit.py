"""Judges whether the model fits on an instance, by the plan that the service would start with."""

from bentocloud.config import DeployError
from bentocloud.instances import Instance, instance_of
from build_scripts.bentos.container import build_command
from build_scripts.bentos.table import Bento
from common.errors import StartError
from common.models.artifacts import by_tag
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts, facts_of_directory
from common.models.hub import draft_facts, facts_of_hub
from common.models.model import local_directory
from common.models.store_tags import is_tag, with_stored
from common.plan.at_start import is_planned
from common.plan.decide import choose, decide
from common.plan.inputs import PlanInputs
from common.plan.options import options_of
from common.plan.tables import DEMO, table
from common.settings import Settings


def fit(target: Bento, settings: Settings, instance_type: str) -> str | None:
    """Returns the plan in a sentence, None where there is nothing to plan.

    Raises DeployError: why it does not fit and what would, or that the model cannot be seen.
    """
    try:
        return _fit(target, settings, instance_of(instance_type))
    except (DeployError, StartError) as error:
        raise DeployError(
            f"instance_type {instance_type!r}: {error} (--no-fit does not ask)"
        ) from None


def _fit(target: Bento, settings: Settings, instance: Instance) -> str | None:
    engine, packaging = target.engine, target.packaging
    if instance.gpus == 0 and packaging.gpu and not packaging.without_gpu:
        raise DeployError(f"it has no GPU, and {target.name} is built for one")
    command = build_command(engine, settings)
    if command is not None:
        raise DeployError(
            f"{engine.title} runs what was compiled for its GPU: {command}, "
            "there, and --arg engine_dir=TAG that it tells"
        )
    _check_capability(settings, instance)
    if not is_planned(engine, settings):
        return None
    settings = with_stored(settings)
    # What was built here from the model is not in the bento, so no artifact is offered.
    inputs = PlanInputs(
        _facts(settings),
        table(engine.name, engine.title),
        instance.device,
        options_of(settings),
        draft=draft_facts(settings),
    )
    try:
        plan = decide(inputs)
    except NotUnderstood as error:
        choose(inputs)
        return f"whether the model fits is not checked: {error}"
    if plan.build is not None:
        raise DeployError(f"{plan.model} has to be compiled first: {plan.build}")
    return f"{plan.model}: {plan.reason}"


def _check_capability(settings: Settings, instance: Instance) -> None:
    """Raises DeployError for what was compiled for another GPU: the service would refuse it."""
    tag, capability = settings.engine_dir, instance.device.compute_capability
    built = by_tag(tag) if tag is not None and is_tag(tag) else None
    needed = built.manifest.compute_capability if built else None
    if built and needed and capability is not None and needed != str(capability):
        raise DeployError(
            f"{built.tag} was compiled for compute capability {needed} ({built.manifest.gpu}), "
            f"and {instance.device.name} has {capability}; build it there: {built.manifest.command}"
        )


def _facts(settings: Settings) -> ModelFacts:
    path = local_directory(settings)
    if path is not None:
        return facts_of_directory(path, settings.model or DEMO)
    return facts_of_hub(str(settings.model), settings.revision)
