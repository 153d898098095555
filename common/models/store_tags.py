"""Models that a setting names by their tag in the BentoML store, `name:version`."""

import re
from pathlib import Path

from common.errors import StartError
from common.models.artifacts import stores
from common.settings import Settings

TAG = re.compile(r"[a-z0-9][a-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*")
LATEST = "latest"
SHOWN = 8
"""Tags in a message."""


def is_tag(value: str | None) -> bool:
    """A hub id has no colon; a directory of that name goes first."""
    return value is not None and TAG.fullmatch(value) is not None and not Path(value).is_dir()


def with_stored(settings: Settings) -> Settings:
    """With the directory of the model in place of its tag. Raises StartError for one not there."""
    tag = settings.model
    if tag is None or not is_tag(tag):
        return settings
    name = settings.served_model_name or tag.partition(":")[0]
    values = {"model": str(stored_directory("model", tag)), "served_model_name": name}
    return settings.model_copy(update=values)


def stored_directory(setting: str, tag: str) -> Path:
    """The newest version when that is `latest`. Raises StartError."""
    name, _, version = tag.partition(":")
    for store in stores():
        latest = store / name / LATEST
        if version == LATEST and latest.is_file():
            version = latest.read_text("utf-8").strip()
        path = store / name / version
        if path.is_dir():
            return path.resolve()
    raise StartError(f"setting {setting!r}: no model {tag!r} in {stores()[-1]}; {_there()}")


def _there() -> str:
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
