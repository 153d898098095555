"""Whether the model fits on the instance, by the plan that the service would start with there."""

from pathlib import Path

from build_scripts.bentos.compiled import missing_build
from build_scripts.deploy.errors import DeployError
from build_scripts.deploy.instances import Instance
from common.engine import Engine
from common.errors import StartError
from common.models.artifacts import by_tag
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts, facts_of_directory
from common.models.hub import facts_of_hub
from common.models.model import local_directory
from common.models.store_tags import is_tag, with_stored
from common.plan.at_start import is_planned
from common.plan.decide import choose, decide
from common.plan.inputs import PlanInputs
from common.plan.options import options_of
from common.plan.tables import DEMO, table
from common.settings import Settings

INSTEAD = {
    "model": "give a hub id, or the tag of a model in the BentoML store",
    "engine_dir": "give the tag that its builder tells",
    "chat_template": "put the template into the model",
}
"""Settings that may be paths, and what travels."""


def check_paths(settings: Settings) -> None:
    """What a bento names has to be in it, or on the hub. Raises DeployError."""
    for name, instead in INSTEAD.items():
        value = getattr(settings, name)
        if value and Path(value).expanduser().exists():
            raise DeployError(
                f"setting {name!r}: {value!r} is a path of this machine, and not there; {instead}"
            )


def check_travels(settings: Settings, baked: Settings) -> None:
    """A model of the store is in the bento only where it was baked in. Raises DeployError."""
    for name in ("model", "engine_dir"):
        value = getattr(settings, name)
        if is_tag(value) and getattr(baked, name) != value:
            raise DeployError(
                f"setting {name!r}: {value} is a model of the store here, and not in the bento; "
                f"give it by --arg {name}={value}, so that it travels"
            )


def fit(engine: type[Engine], settings: Settings, place: Instance) -> str | None:
    """The plan in a sentence, None where there is nothing to plan.

    Raises DeployError: why it does not fit and what would, or that the model cannot be seen.
    """
    _check_compiled(engine, settings)
    _check_capability(settings, place)
    if not is_planned(engine, settings):
        return None
    try:
        return _plan(engine, with_stored(settings), place)
    except StartError as error:
        raise DeployError(str(error)) from None


def _check_compiled(engine: type[Engine], settings: Settings) -> None:
    """What was compiled has to travel in the bento."""
    command = missing_build(engine, settings)
    if command is not None:
        raise DeployError(
            f"{engine.title} runs what was compiled for its GPU: {command}, "
            "there, and --arg engine_dir=TAG that it tells"
        )


def _check_capability(settings: Settings, place: Instance) -> None:
    """The service would refuse there what was compiled for another GPU."""
    tag, there = settings.engine_dir, place.device.compute_capability
    built = by_tag(tag) if tag is not None and is_tag(tag) else None
    wanted = built.manifest.compute_capability if built else None
    if built and wanted and there is not None and wanted != str(there):
        raise DeployError(
            f"{built.tag} was compiled for compute capability {wanted} ({built.manifest.gpu}), "
            f"and {place.device.name} has {there}; build it there: {built.manifest.command}"
        )


def _plan(engine: type[Engine], settings: Settings, place: Instance) -> str:
    # Of what was built here from the model nothing is in the bento, so no artifact is offered.
    question = PlanInputs(
        _facts(settings), table(engine.name, engine.title), place.device, options_of(settings)
    )
    try:
        plan = decide(question)
    except NotUnderstood as error:
        plan = choose(question)
        return f"whether the model fits is not checked: {error}"
    if plan.build is not None:
        raise DeployError(f"{plan.model} has to be compiled first: {plan.build}")
    return f"{plan.model}: {plan.reason}"


def _facts(settings: Settings) -> ModelFacts:
    path = local_directory(settings)
    if path is not None:
        return facts_of_directory(path, settings.model or DEMO)
    return facts_of_hub(str(settings.model), settings.revision)
