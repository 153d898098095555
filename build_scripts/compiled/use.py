"""How what was compiled is served: the settings that go with it."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def results(
    options: argparse.Namespace,
    backends: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """For the manifest: `settings`, and a line for each of `backends` with the settings that it
    needs besides. None is left out."""
    model = options.model
    if model is not None and Path(model).expanduser().is_dir():
        model = str(Path(model).expanduser().absolute())
    common = {"model": model, "revision": options.revision, **settings}
    found = {name: value for name, value in common.items() if value is not None}
    lines = [serve(backend, {**found, **more}) for backend, more in backends.items()]
    told = {name: value for name, value in settings.items() if value is not None}
    return {"settings": told, "serve": lines}


def serve(backend: str, settings: Mapping[str, Any]) -> str:
    """The command line of a service."""
    words = ["scripts/serve", backend]
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += ["--arg", f"{name}={text}"]
    return shlex.join(words)
