"""Builds the bento of a backend and deploys it on BentoCloud as bentos/BACKEND/deployment.yaml
says, once nothing is wrong with that file, the settings and the login."""

import argparse
import contextlib
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from build_scripts.deploy.errors import DeployError
from common.command_line import Parser

with warnings.catch_warnings(action="ignore"):
    from build_scripts.deploy.bento import Stored, baked, build_bento, stored_bento
    from build_scripts.deploy.check import check_document
    from build_scripts.deploy.cloud import log_in
    from build_scripts.deploy.commands import CommandFailed, bentoml
    from build_scripts.deploy.document import Document, read_document
    from build_scripts.deploy.effective import check_needs
    from build_scripts.deploy.overrides import override
    from build_scripts.deploy.target import ROOT, Target, find_target, needed

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """An exit status. Errors are one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        deploy(options)
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print(f"error: {error.strerror or error}: {error.filename}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        return INTERRUPTED
    return 0


def deploy(options: argparse.Namespace) -> None:
    """What the command line says. Raises DeployError."""
    target = find_target(options.backend)
    document = _document(options, target)
    stored = stored_bento(options.bento, target) if options.bento else None
    if stored and options.arg:
        raise DeployError("--arg: the bento of --bento has its settings already; leave one out")
    settings = stored.arguments if stored else _arguments(options.arg)
    needs = needed(stored.environment) if stored else target.needs
    plan = check_document(document, target, settings, needs, look_at_model=not options.no_fit)
    source = stored or baked(target, options.arg)
    if plan:
        print(f"plan: {plan}", file=sys.stderr, flush=True)
    if options.dry_run:
        print(yaml.safe_dump(document.data, sort_keys=False, allow_unicode=True), end="")
        return
    cloud = log_in()
    cloud.check_name(document)
    cloud.check_instance(document, target.service)
    secret_keys = cloud.secret_keys(document)
    check_needs(document, target.service, needs, secret_keys)
    print(f"{document.name} is right; {cloud.user} is logged in at {cloud.address}", flush=True)
    stored = source if isinstance(source, Stored) else build_bento(target, source)
    check_needs(document, target.service, needed(stored.environment), secret_keys)
    print(f"deploying {stored.tag}", flush=True)
    with _file(document, stored) as file:
        try:
            bentoml(_command(file, document, stored, options), show=True)
        except CommandFailed as error:
            raise DeployError(f"{error}; {_what_now(error, document, target, stored)}") from None


def _what_now(error: CommandFailed, document: Document, target: Target, stored: Stored) -> str:
    if any("Created deployment" in line for line in error.lines):
        name = document.data.get("name", "NAME")
        return f"it is there: `bentoml deployment get {name}` tells more, `… delete {name}` ends it"
    again = f"scripts/deploy {target.backend} --bento {stored.tag}"
    return f"the bento is built; to try again: {again}"


def _document(options: argparse.Namespace, target: Target) -> Document:
    path = options.file or target.deployment
    # As a person may write it: from where they stand, or from the repository.
    name = str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
    document = read_document(path, name)
    for text in options.set:
        override(document, target.service, text)
    if options.name:
        document.put(("name",), options.name, f"--name {options.name}")
    return document


def _arguments(texts: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise DeployError(f"--arg {text}: has to be name=value")
        found[name] = value
    return found


@contextlib.contextmanager
def _file(document: Document, stored: Stored) -> Iterator[str]:
    """The file for BentoML: with the bento in it."""
    content: dict[str, Any] = {**document.data, "bento": stored.tag}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(content, file, sort_keys=False, allow_unicode=True)
        file.flush()
        yield file.name


def _command(
    file: str, document: Document, stored: Stored, options: argparse.Namespace
) -> list[str]:
    command = ["deploy", "-f", file]
    # BentoML looks for what a bento needs among options only, not in the file, whose values hold.
    for name in needed(stored.environment):
        command += ["--env", f"{name}="]
    if options.no_wait:
        command.append("--no-wait")
    return [*command, "--timeout", str(options.timeout)]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="scripts/deploy", description=__doc__)
    parser.add_argument("backend", metavar="BACKEND")
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting, baked into the bento",
    )
    parser.add_argument("--name", help="of the deployment, instead of the file's")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of the file, or of its service: scaling.max_replicas=3, "
        "instance_type=gpu.h100.1, envs='[{name: MODEL, value: my/model}]'",
    )
    parser.add_argument("--file", type=Path, help="instead of bentos/BACKEND/deployment.yaml")
    parser.add_argument("--bento", metavar="TAG", help="of the store, instead of building one")
    parser.add_argument(
        "--no-fit", action="store_true", help="do not ask whether the model fits on the instance"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check the file, show it, and do no more"
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it runs")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds to wait until it runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
