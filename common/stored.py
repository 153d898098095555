"""Models that a setting names by their tag in the BentoML store, `name:version`."""

import re
from pathlib import Path

from common.artifacts import store_directory
from common.errors import StartError
from common.settings import Settings

TAG = re.compile(r"[a-z0-9][a-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*")
LATEST = "latest"
OF_A_BENTO = Path(__file__).parents[2]
"""Where the code runs inside a bento, the bento itself; its image has the models in it."""
SHOWN = 8
"""Tags in a message."""


def is_tag(value: str | None) -> bool:
    """A hub id has no colon; a directory of that name goes first."""
    return value is not None and TAG.fullmatch(value) is not None and not Path(value).is_dir()


def with_stored(settings: Settings) -> Settings:
    """With directories in place of tags. Raises StartError for a tag that is not there."""
    found = {
        name: value
        for name in ("model", "engine_dir")
        if is_tag(value := getattr(settings, name)) and value is not None
    }
    values = {name: str(stored_directory(name, tag)) for name, tag in found.items()}
    if "model" in found and settings.served_model_name is None:
        values["served_model_name"] = found["model"].partition(":")[0]
    return settings.model_copy(update=values) if values else settings


def stored_directory(setting: str, tag: str) -> Path:
    """The newest version when that is `latest`. Raises StartError."""
    name, _, version = tag.partition(":")
    for store in _stores():
        latest = store / name / LATEST
        if version == LATEST and latest.is_file():
            version = latest.read_text("utf-8").strip()
        path = store / name / version
        if path.is_dir():
            return path.resolve()
    raise StartError(f"setting {setting!r}: no model {tag!r} in {_stores()[-1]}; {_there()}")


def _stores() -> list[Path]:
    inside = [OF_A_BENTO / "models"] if (OF_A_BENTO / "bento.yaml").is_file() else []
    return [*inside, store_directory()]


def _there() -> str:
    tags = [
        f"{path.parent.name}:{path.name}"
        for store in _stores()
        for path in sorted(store.glob("*/*"))
        if path.is_dir()
    ]
    if not tags:
        return "it is empty: build a model into it first, or set BENTOML_HOME"
    more = f" and {len(tags) - SHOWN} more" if len(tags) > SHOWN else ""
    return f"there are: {', '.join(tags[:SHOWN])}{more}"
