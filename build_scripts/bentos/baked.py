"""Checks the settings that go into a bento on the machine that builds it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from build_scripts.builder.errors import BuildError
from common.engine import Engine
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
    models = {}
    for name in PATH_SETTINGS:
        value = getattr(settings, name)
        if is_tag(value) and name != "chat_template":
            path = stored_directory(name, value)
            arguments[name] = models[name] = f"{path.parent.name}:{path.name}"
        else:
            _refuse_local(name, value)
    _check_model(settings)
    labels = {name: _label(value) for name, value in arguments.items()}
    return Baked(arguments, sorted({*models.values()}), {**_demo(settings), **labels})


def _split(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise BuildError(f"--arg {word!r}: allowed is name=value")
    return name, value


def _refuse_local(name: str, value: str | None) -> None:
    """Raises BuildError for a file of this machine: it would not be there where the bento runs."""
    if value is None or (name == "model" and value.count("/") == 1 and value[0] not in "./~"):
        return
    if name == "chat_template":
        raise BuildError(
            "setting 'chat_template': a file of this machine does not travel in a bento; set "
            "CHAT_TEMPLATE where it runs, or put the template into the model"
        )
    raise BuildError(
        f"setting {name!r}: {value!r} does not travel in a bento; allowed is the tag of a model in "
        "the BentoML store" + (", or a hub id such as 'org/name'" if name == "model" else "")
    )


def _demo(settings: Settings) -> dict[str, str]:
    """Returns the label of the model where none is named: what was compiled has its own."""
    return {} if settings.engine_dir or settings.engine_url else {"model": "demo"}


def _check_model(settings: Settings) -> None:
    stored = with_stored(settings)
    path = local_directory(stored)
    if path is not None:
        open_model(stored, path)


def _label(value: str) -> str:
    return NOT_IN_A_LABEL.sub("_", value)[:LABEL_LENGTH].strip("._-")
