"""Fetches what a service with these settings would fetch from the Hugging Face hub at its start.

    MODEL=org/name python -m common.models

The settings come from variables, as for the service itself. The model, its adapters and the model
that drafts tokens end in the hub's cache; a service that has this cache finds them there.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from common.command_line import Parser, exit_status
from common.errors import StartError
from common.models.adapter_sources import fetch_adapter
from common.models.hub import download
from common.models.model import local_directory, named_directory
from common.models.store_tags import with_stored
from common.settings import Settings, load_settings


def fetch(settings: Settings) -> list[str]:
    """Returns the names of what was fetched, or was there already. Raises StartError."""
    fetched = []
    if local_directory(settings) is None:
        download(settings)
        fetched.append(str(settings.model))
    for name in settings.adapters.values():
        if named_directory("adapters", name) is None:
            fetch_adapter(name)
            fetched.append(name)
    draft = None if settings.speculative is None else settings.speculative.model
    if draft is not None and named_directory("speculative", draft) is None:
        download(settings.model_copy(update={"model": draft, "revision": None}))
        fetched.append(draft)
    return fetched


def run() -> None:
    fetched = fetch(with_stored(load_settings({}, os.environ)))
    lines = [f"{name} is in the cache" for name in fetched] or ["nothing is to be fetched"]
    sys.stdout.write("\n".join(lines) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    Parser(
        prog="python -m common.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    return exit_status(run, StartError)


if __name__ == "__main__":
    sys.exit(main())
