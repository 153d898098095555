"""Files that run a backend on one machine, with Docker Compose or under systemd.

    python -m operations compose vllm --arg model=org/name --gpus 1 > compose.yaml
    python -m operations monitoring vllm > monitoring.yaml
    python -m operations systemd vllm --arg model=org/name > llm-vllm.service

Kubernetes has the chart in operations/chart; the rest is in docs/operations.md.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2

from build_scripts.bentos.container import PROBE_TIMEOUT
from build_scripts.bentos.table import CACHE, bentos
from common.command_line import Parser, exit_status
from common.errors import StartError
from operations.deployment import (
    Deployment,
    create_deployment,
    deployment_name,
    environment_folder,
    stored_models,
)
from operations.monitoring import compose_overlay

PORT = 3000
ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
r"""For systemd, `%` begins a specifier; `\`, `"` and the ends of lines are escaped."""


def compose(deployment: Deployment, image: str | None, shm: int | None, cache: bool) -> str:
    """Returns compose.yaml. `shm` is in GiB."""
    if image == "":
        raise StartError("--image '' names no image")
    packaging = bentos(deployment.engine.name)[0].packaging
    keys = deployment.keys_folder
    # A folder, since editors put a new file in the place of one that was mounted.
    mounted = [f"cache:{CACHE}"] * cache + [f"{folder}:{folder}:ro" for folder in keys]
    return render(
        "compose.yaml",
        deployment,
        image=image or f"{deployment.name}:latest",
        shm=f"{shm}g" if shm else packaging.shm or "8g",
        cache=cache,
        cache_folder=CACHE,
        keys_folder=keys,
        volumes=mounted,
        probe_seconds=PROBE_TIMEOUT,
    )


def systemd(deployment: Deployment, directory: str, python_environment: str | None) -> str:
    """Returns the unit, which runs the backend from a checkout of this repository."""
    tags = stored_models(deployment.settings)
    if tags:
        raise StartError(
            f"a unit has a store of its own, without {', '.join(tags.values())}: give a directory"
        )
    return render(
        "systemd.service",
        deployment,
        directory=directory,
        python_environment=python_environment or environment_folder(deployment.engine.name),
        escapes=ESCAPES,
    )


def render(template: str, deployment: Deployment, **values: object) -> str:
    """Returns the text of a file in templates/."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    values |= {"deployment": deployment, "port": PORT}
    return environment.get_template(template).render(values)


def number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    parse.__name__ = "number"
    return parse


def parser() -> argparse.ArgumentParser:
    commands = Parser(
        prog="python -m operations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = commands.add_subparsers(
        dest="kind", required=True, metavar="compose|systemd|monitoring"
    )
    add = kinds.add_parser("monitoring", help="print what adds Prometheus and Grafana").add_argument
    add("backend", help="one of services/")
    add("--name", help="of the service; llm-BACKEND")
    for kind in ("compose", "systemd"):
        add = kinds.add_parser(kind, help=f"print the file for {kind}").add_argument
        add("backend", help="one of services/")
        add("--arg", action="append", default=[], metavar="NAME=VALUE", help="a setting")
        add("--name", help="of the service; llm-BACKEND")
        add("--gpus", type=number(0), help="product of the parallel sizes, 0 for echo")
        add("--open", dest="open_to_all", action="store_true", help="without API keys")
        add("--start-seconds", type=number(10), help="that a start may take; start_timeout")
        if kind == "compose":
            add("--image", help="NAME:latest")
            add("--shm", type=number(1), help="GiB of /dev/shm; as bentos/bentos.toml says, or 8")
            add("--no-cache", dest="cache", action="store_false", help="keep no weights or kernels")
        else:
            add("--directory", default="/opt/llm-services", help="of the checkout (%(default)s)")
            add("--python-environment", help="in the checkout, as scripts/setup says")
    return commands


def parse_arguments(pairs: Sequence[str]) -> dict[str, str]:
    """Returns the values by name. Raises StartError for a pair without `=`."""
    for pair in pairs:
        if "=" not in pair:
            raise StartError(f"--arg {pair!r} has no value; it is name=value")
    return dict(pair.split("=", 1) for pair in pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the file. Returns the exit status; errors are one line on stderr."""
    options = vars(parser().parse_args(arguments))
    kind, backend = options.pop("kind"), options.pop("backend")

    def work() -> None:
        if kind == "monitoring":
            print(compose_overlay(deployment_name(backend, options["name"]), PORT), end="")
            return
        given = {
            name: options.pop(name) for name in ("name", "gpus", "start_seconds", "open_to_all")
        }
        deployment = create_deployment(backend, parse_arguments(options.pop("arg")), **given)
        make = compose if kind == "compose" else systemd
        print(make(deployment, **options), end="")

    return exit_status(work, StartError)


if __name__ == "__main__":
    sys.exit(main())
