"""Models that a setting names by their tag in the BentoML store, `name:version`."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.models.artifacts import stores
from common.settings import Settings

TAG = re.compile(r"[a-z0-9][a-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*")
LATEST = "latest"
SHOWN = 8
"""The tags that a message names at most."""


def is_tag(value: str | None) -> bool:
    """Returns whether it is a tag: a hub id has no colon, and a directory of that name goes
    first."""
    return value is not None and TAG.fullmatch(value) is not None and not Path(value).is_dir()


def with_stored(settings: Settings) -> Settings:
    """Returns settings with directories instead of tags. Raises StartError for an unknown tag."""
    values: dict[str, Any] = {}
    tag, speculative = settings.model, settings.speculative
    if tag is not None and is_tag(tag):
        name = settings.served_model_name or tag.partition(":")[0]
        values = {"model": str(stored_directory("model", tag)), "served_model_name": name}
    if speculative is not None and speculative.model is not None and is_tag(speculative.model):
        draft = str(stored_directory("speculative", speculative.model))
        values["speculative"] = replace(speculative, model=draft)
    if any(map(is_tag, settings.adapters.values())):
        values["adapters"] = {
            name: str(stored_directory("adapters", path)) if is_tag(path) else path
            for name, path in settings.adapters.items()
        }
    return settings.model_copy(update=values) if values else settings


def stored_directory(setting: str, tag: str) -> Path:
    """Returns the directory of a tag; `latest` is the newest version. Raises StartError."""
    name, _, version = tag.partition(":")
    for store in stores():
        latest = store / name / LATEST
        if version == LATEST and latest.is_file():
            version = latest.read_text("utf-8").strip()
        path = store / name / version
        if path.is_dir():
            return path.resolve()
    raise StartError(f"setting {setting!r}: no model {tag!r} in {stores()[-1]}; {_known_tags()}")


def _known_tags() -> str:
    tags = [
        f"{path.parent.name}:{path.name}"
        for store in stores()
        for path in sorted(store.glob("*/*"))
        if path.is_dir()
    ]
    if not tags:
        return "it is empty: build a model into it first, or set BENTOML_HOME"
    more = f" and {len(tags) - SHOWN} more" if len(tags) > SHOWN else ""
    return f"there are: {', '.join(tags[:SHOWN])}{more}"
