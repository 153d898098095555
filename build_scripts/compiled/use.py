"""The settings with which a compiled model is served."""

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
    """Returns what the manifest says: `settings`, and a command line for each of `backends` with
    the settings that it needs besides. A setting of None is left out."""
    model = options.model
    if model is not None and Path(model).expanduser().is_dir():
        model = str(Path(model).expanduser().absolute())
    common = {"model": model, "revision": options.revision, **settings}
    named = {name: value for name, value in common.items() if value is not None}
    lines = [serve(backend, {**named, **more}) for backend, more in backends.items()]
    given = {name: value for name, value in settings.items() if value is not None}
    return {"settings": given, "serve": lines}


def serve(backend: str, settings: Mapping[str, Any]) -> str:
    """Returns the command line of a service."""
    words = ["scripts/serve", backend]
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += ["--arg", f"{name}={text}"]
    return shlex.join(words)
