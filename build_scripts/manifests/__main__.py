"""Files that run a backend on Kubernetes, with Docker Compose or under systemd.

    python -m build_scripts.manifests vllm --image registry.example/llm-vllm:1 \\
        --arg model=org/name --gpus 1 --max-replicas 4 --shared-cache -o out
    python -m build_scripts.manifests echo --kind compose -o out

Writes out/kubernetes/*.yaml, out/compose.yaml and out/NAME.service; the rest is in
docs/operations.md.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from build_scripts.manifests import compose, kubernetes, systemd
from build_scripts.manifests.deployment import Deployment, checked
from common.command_line import Parser
from common.errors import StartError

Files = dict[str, str]


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def _kubernetes(wanted: Deployment) -> Files:
    return {f"kubernetes/{path}": _yaml(value) for path, value in kubernetes.files(wanted).items()}


def _compose(wanted: Deployment) -> Files:
    return {"compose.yaml": _yaml(compose.file(wanted))}


def _systemd(wanted: Deployment) -> Files:
    return {f"{wanted.name}.service": systemd.file(wanted)}


KINDS: dict[str, Callable[[Deployment], Files]] = {
    "kubernetes": _kubernetes,
    "compose": _compose,
    "systemd": _systemd,
}
ONLY = {
    "image": {"kubernetes", "compose"},
    "cpus": {"kubernetes"},
    "memory": {"kubernetes"},
    "shm": {"kubernetes", "compose"},
    "cache": {"kubernetes", "compose"},
    "shared_cache": {"kubernetes"},
    "replicas": {"kubernetes"},
    "max_replicas": {"kubernetes"},
    "waiting": {"kubernetes"},
    "secret": {"kubernetes"},
    "directory": {"systemd"},
    "python_environment": {"systemd"},
}
"""Options that not every kind of file has a place for."""


def number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    parse.__name__ = "number"
    return parse


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="python -m build_scripts.manifests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("backend", help="one of services/")
    add("-o", "--output", required=True, type=Path, metavar="DIR")
    add("--kind", action="append", choices=KINDS, help="more than once for several; none is all")
    add("--arg", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    add("--name", help="of everything; llm-BACKEND")
    add("--image", help="NAME:latest")
    add("--gpus", type=number(0), help="for each replica; tensor_parallel_size, 0 for echo")
    add("--cpus", type=number(1), help="for each replica (4)")
    add("--memory", type=number(1), help="GiB for each replica (16)")
    add("--shm", type=number(1), help="GiB of /dev/shm (8)")
    add("--cache", type=number(0), help="GiB for weights and kernels; 0 keeps none (100)")
    add("--shared-cache", action="store_true", default=None, help="ReadWriteMany")
    add("--replicas", type=number(1), help="at least (1)")
    add("--max-replicas", type=number(1), help="with an autoscaler, up to")
    add("--waiting", type=number(1), help="requests in a replica's queue that call for more (4)")
    add("--secret", help="a Secret with HF_TOKEN and API_KEYS; NAME")
    add("--open", action="store_true", default=None, help="without API keys")
    add("--start-seconds", type=number(10), help="that a start may take; start_timeout")
    add("--directory", help="systemd: the checkout (/opt/llm-services)")
    add("--python-environment", help="systemd: in the checkout (as scripts/setup says)")
    return found


def arguments_of(pairs: Sequence[str]) -> dict[str, str]:
    """Raises StartError for a pair without `=`."""
    for pair in pairs:
        if "=" not in pair:
            raise StartError(f"--arg {pair!r} has no value; it is name=value")
    return dict(pair.split("=", 1) for pair in pairs)


def refuse_idle(options: Mapping[str, object], kinds: Sequence[str]) -> None:
    """Raises StartError for an option that no kind of file has a place for."""
    for name, having in ONLY.items():
        if options[name] is not None and not having.intersection(kinds):
            places = " and ".join(kind for kind in KINDS if kind in having)
            flag = f"--{name.replace('_', '-')}"
            raise StartError(f"{flag} has no effect with --kind {kinds[0]}; only with {places}")


def without_store(wanted: Deployment, kinds: Sequence[str], *, asked: bool) -> list[str]:
    """The kinds that find the model. Raises StartError where one was asked for and does not."""
    if not wanted.tags or "systemd" not in kinds:
        return list(kinds)
    reason = f"a unit has a store of its own, without {', '.join(wanted.tags)}: give a directory"
    if asked:
        raise StartError(reason)
    print(f"no unit for systemd: {reason}", file=sys.stderr)
    return [kind for kind in kinds if kind != "systemd"]


def main(arguments: Sequence[str] | None = None) -> int:
    """An exit status. Errors are one line on stderr."""
    options = vars(parser().parse_args(arguments))
    output, asked = options.pop("output"), options.pop("kind")
    kinds = asked or list(KINDS)
    try:
        backend, pairs = options.pop("backend"), options.pop("arg")
        refuse_idle(options, kinds)
        wanted = checked(backend, arguments_of(pairs), **options)
        write(wanted, without_store(wanted, kinds, asked=bool(asked)), output)
    except (StartError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def write(wanted: Deployment, kinds: Sequence[str], output: Path) -> None:
    """Raises OSError."""
    for kind in kinds:
        for path, text in KINDS[kind](wanted).items():
            file = output / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            print(file)


if __name__ == "__main__":
    sys.exit(main())
