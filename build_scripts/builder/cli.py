"""The part of the command line that all builders share."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from build_scripts.builder.build import build, show
from build_scripts.builder.errors import BuildError
from build_scripts.builder.recipe import Recipe
from build_scripts.builder.source import open_source
from common.command_line import Parser, exit_status
from common.errors import StartError


def positive(text: str) -> int:
    """Returns a whole number from 1; argparse names the flag and the text of what is not."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def builder_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Returns a parser with the flags of every builder; a builder adds its own."""
    parser = Parser(prog=f"python -m {module}", description=description)
    parser.add_argument("--model", help="directory or hub id; none is the demo model")
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument("--dry-run", action="store_true", help="show the commands, run nothing")
    parser.add_argument("--again", action="store_true", help="build even what is there already")
    return parser


def run(
    parser: argparse.ArgumentParser,
    recipe_class: Callable[[argparse.Namespace], Recipe],
    arguments: Sequence[str] | None = None,
) -> int:
    """Builds what the command line says; returns an exit status. Errors are one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)

    def work() -> None:
        recipe = recipe_class(options)
        source = open_source(options.model, options.revision, weights=not options.dry_run)
        if options.dry_run:
            show(recipe, source)
        else:
            build(recipe, source, arguments, again=options.again)

    return build_status(work)


def build_status(work: Callable[[], None]) -> int:
    """Returns the exit status of a command that builds into a store; SIGTERM is like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return exit_status(
        work, BuildError, StartError, interrupted="interrupted; nothing was left in the store"
    )
