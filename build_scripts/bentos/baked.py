"""Checks the settings that go into a bento on the machine that builds it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from build_scripts.builder.errors import BuildError
from common.engine import Engine
from common.models.adapter_sources import check_adapters
from common.models.model import local_directory, open_model
from common.models.store_tags import is_tag, stored_directory, with_stored
from common.secrets import refuse_secrets
from common.settings import Settings, load_settings

NOT_IN_A_LABEL = re.compile(r"[^A-Za-z0-9._-]+")
LABEL_LENGTH = 63
"""The longest label that Kubernetes takes, where deployments show them."""
PATH_SETTINGS = ("chat_template", "engine_dir", "model")


@dataclass(frozen=True, slots=True)
class Baked:
    """Holds the arguments as bentoml keeps them, and tags of models that travel in the bento."""

    arguments: Mapping[str, str]
    models: Sequence[str]
    labels: Mapping[str, str]


def bake(engine: type[Engine], words: Sequence[str]) -> Baked:
    """Returns what to bake, from words `name=value`, with tags of the store made exact.

    Raises StartError or BuildError, one line, for what could not be served or must not be baked.
    """
    arguments = dict(map(_split, words))
    settings = load_settings(arguments, {})
    refuse_secrets(settings)
    if settings.engine_url is None:
        engine.check_supported(settings)
    models: dict[str, str] = {}
    for name in PATH_SETTINGS:
        value = getattr(settings, name)
        if is_tag(value) and name != "chat_template":
            path = stored_directory(name, value)
            arguments[name] = models[name] = f"{path.parent.name}:{path.name}"
        else:
            _refuse_local(name, value)
    _bake_draft(settings, arguments, models)
    _bake_adapters(settings, arguments, models)
    _check_model(engine, settings)
    labels = {name: _label(value) for name, value in arguments.items()}
    return Baked(arguments, sorted({*models.values()}), {**_demo(settings), **labels})


def _bake_draft(settings: Settings, arguments: dict[str, str], models: dict[str, str]) -> None:
    """Adds the model that drafts tokens, where it is one of the store, to both."""
    speculative = settings.speculative
    draft = None if speculative is None else speculative.model
    if speculative is not None and draft is not None and is_tag(draft):
        path = stored_directory("speculative", draft)
        models["speculative"] = f"{path.parent.name}:{path.name}"
        arguments["speculative"] = str(replace(speculative, model=models["speculative"]))
    else:
        _refuse_local("speculative", draft)


def _bake_adapters(settings: Settings, arguments: dict[str, str], models: dict[str, str]) -> None:
    """Adds the adapters, where they are of the store, to both."""
    if not settings.adapters:
        return
    paths = dict(settings.adapters)
    for name, value in paths.items():
        if is_tag(value):
            path = stored_directory("adapters", value)
            models[f"adapters.{name}"] = paths[name] = f"{path.parent.name}:{path.name}"
        else:
            _refuse_local("adapters", value)
    arguments["adapters"] = ",".join(f"{name}={value}" for name, value in paths.items())


def _split(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise BuildError(f"--arg {word!r}: allowed is name=value")
    return name, value


def _refuse_local(name: str, value: str | None) -> None:
    """Raises BuildError for a file of this machine: it would not be there where the bento runs."""
    from_hub = name in ("adapters", "model", "speculative")
    if value is None or (from_hub and value.count("/") == 1 and value[0] not in "./~"):
        return
    if name == "chat_template":
        raise BuildError(
            "setting 'chat_template': a file of this machine does not travel in a bento; set "
            "CHAT_TEMPLATE where it runs, or put the template into the model"
        )
    raise BuildError(
        f"setting {name!r}: {value!r} does not travel in a bento; allowed is the tag of a model in "
        "the BentoML store" + (", or a hub id such as 'org/name'" if from_hub else "")
    )


def _demo(settings: Settings) -> dict[str, str]:
    """Returns the label of the model where none is named: what was compiled has its own."""
    return {} if settings.engine_dir or settings.engine_url else {"model": "demo"}


def _check_model(engine: type[Engine], settings: Settings) -> None:
    stored = with_stored(settings)
    path = local_directory(stored)
    if path is not None:
        check_adapters(stored, open_model(stored, path), engine.adapter_gaps)


def _label(value: str) -> str:
    return NOT_IN_A_LABEL.sub("_", value)[:LABEL_LENGTH].strip("._-")
