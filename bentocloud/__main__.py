"""Builds the bento of a backend and deploys it on BentoCloud as bentos/BACKEND/deployment.yaml
says, once nothing is wrong with that file, the settings and the login."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bentoml
import yaml
from bentoml.exceptions import BentoMLException

from bentocloud.check import check
from bentocloud.cloud import check_account, create, wait_until_ready
from bentocloud.config import Config, DeployError, override, read_config
from build_scripts.bentos.baked import bake
from build_scripts.bentos.build import build
from build_scripts.bentos.table import ROOT, Bento, bento
from build_scripts.builder.errors import BuildError
from common.command_line import Parser, exit_status
from common.errors import StartError


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns an exit status. Errors are one line on stderr."""
    options = _parser().parse_args(arguments)
    return exit_status(lambda: deploy(options), DeployError, BuildError, StartError)


def deploy(options: argparse.Namespace) -> None:
    """Does what the command line says. Raises DeployError, BuildError or StartError."""
    target = bento(options.backend)
    config = _config(options, target)
    if options.bento and options.arg:
        raise DeployError("--arg: the bento of --bento has its settings already; leave one out")
    baked = bake(target.engine, options.arg)
    stored = stored_arguments(options.bento, target) if options.bento else None
    arguments = baked.arguments if stored is None else stored
    plan = check(config, target, arguments, judge_fit=not options.no_fit)
    if plan:
        print(f"plan: {plan}", file=sys.stderr, flush=True)
    if options.dry_run:
        print(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), end="")
        return
    print(f"logged in as {check_account(config, target.service)}", flush=True)
    tag = options.bento
    if stored is None:
        path = build(target, baked, None)
        tag = f"{path.parent.name}:{path.name}"
    print(f"deploying {tag}", flush=True)
    try:
        deployment = create(config, target.service, tag)
    except DeployError as error:
        again = f"scripts/deploy {target.backend} --bento {tag}"
        raise DeployError(f"{error}; the bento is built; to try again: {again}") from None
    print(f"created deployment {deployment.name}: {deployment.admin_console}", flush=True)
    if not options.no_wait:
        wait_until_ready(deployment, options.timeout)


def stored_arguments(tag: str, target: Bento) -> Mapping[str, Any]:
    """Returns the settings in a bento of the store. Raises DeployError for one that is not there,
    or of another backend or kind of machine."""
    try:
        info = bentoml.get(tag).info
    except (BentoMLException, ValueError):
        raise DeployError(
            f"--bento {tag}: is not in the store; `bentoml list {target.name}` shows what is"
        ) from None
    backend = info.labels.get("backend", info.entry_service)
    if backend != target.backend:
        raise DeployError(f"--bento {tag}: is one of {backend!r}, not of {target.backend!r}")
    if variant := info.labels.get("variant"):
        raise DeployError(
            f"--bento {tag}: is built for {variant!r}, and deployment.yaml is of {target.name}"
        )
    return dict(info.args)


def _config(options: argparse.Namespace, target: Bento) -> Config:
    config = read_config(options.file or ROOT / target.file("deployment.yaml"))
    for text in options.set:
        override(config, target.service, text)
    if options.name:
        config["name"] = options.name
    return config


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
