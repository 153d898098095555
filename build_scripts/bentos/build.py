"""scripts/bento BACKEND [--arg name=value ...]: build its bento into the BentoML store.

Settings are checked first; the environment where the bento runs wins over them.
"""

import contextlib
import importlib.util
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import yaml

from build_scripts.bentos import files
from build_scripts.bentos.baked import Baked, bake
from build_scripts.bentos.table import ROOT, Bento, bento, project
from build_scripts.builder.errors import BuildError
from common.command_line import Parser
from common.errors import StartError

INTERRUPTED = 130
LATEST = "latest"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="scripts/bento", description=__doc__)
    parser.add_argument("backend", metavar="BACKEND")
    parser.add_argument("--cpu", action="store_true", help="the engine's own build for CPUs")
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", dest="words")
    parser.add_argument("--version", help="of the bento; none is a new one")
    parser.add_argument("-o", "--output", choices=["text", "tag"], default="text")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        found = bento(options.backend, "cpu" if options.cpu else "")
        path = build(found, bake(found.engine, options.words), options.version)
    except (BuildError, StartError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was left in the store", file=sys.stderr)
        return INTERRUPTED
    tag = f"{path.parent.name}:{path.name}"
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    print(tag if options.output == "tag" else f"built {tag}, {size / 1e6:.1f} MB: {path}")
    return 0


def build(found: Bento, baked: Baked, wanted: str | None) -> Path:
    """Its place in the store, where it appears whole or not at all. Raises BuildError."""
    _check(found)
    import bentoml
    from bentoml._internal.configuration.containers import BentoMLContainer

    if wanted == LATEST:
        raise BuildError(f"--version {LATEST}: so the newest is called; give another, or none")
    store = Path(BentoMLContainer.bento_store_dir.get())
    if wanted is not None and (store / found.name / wanted).exists():
        raise BuildError(
            f"{found.name}:{wanted} is in the store; delete it, or give another version"
        )
    # bentoml would say that it ignores the Python version for a base image; it does not.
    logging.getLogger("bentoml").setLevel(logging.ERROR)
    with _scratch(Path(BentoMLContainer.tmp_bento_store_dir.get())) as scratch:
        # Where bentoml leaves what it had of a bento that fails.
        BentoMLContainer.tmp_bento_store_dir.set(str(scratch))
        try:
            made = bentoml.bentos.build_bentofile(
                str(_bentofile(scratch, found, baked)),
                version=wanted,
                build_ctx=str(ROOT),
                args=dict(baked.arguments),
                _bento_store=type(BentoMLContainer.bento_store.get())(str(scratch)),
            )
        except (bentoml.exceptions.BentoMLException, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise BuildError(f"{found.name} cannot be built: {reason}") from None
        return _publish(Path(made.path), store)


def _bentofile(scratch: Path, found: Bento, baked: Baked) -> Path:
    """The one in bentos/, with what was baked in."""
    values = files.options(found)
    values["labels"] = {**baked.labels, **values["labels"]}
    values["models"] = list(baked.models)
    file = scratch / files.BENTOFILE
    file.write_text(yaml.safe_dump(values), "utf-8")
    return file


def _check(found: Bento) -> None:
    for line in files.disagreements(found):
        raise BuildError(f"{line}; run: python -m build_scripts.bentos --write")
    if shutil.which("uv") is None and importlib.util.find_spec("uv") is None:
        raise BuildError("uv is missing, which bentoml would fetch for every build: pip install uv")
    (pin,) = (line for line in project()["dependencies"] if line.startswith("bentoml=="))
    if pin != f"bentoml=={version('bentoml')}":
        raise BuildError(
            f"this is bentoml {version('bentoml')}, which a bento would ask for; needed is {pin}"
        )


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A store on the same disk; bentoml reads files from the current directory only."""
    scratch = Path(tempfile.mkdtemp(prefix="build-", dir=folder))
    try:
        with contextlib.chdir(ROOT):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(made: Path, store: Path) -> Path:
    target = store / made.parent.name / made.name
    target.parent.mkdir(parents=True, exist_ok=True)
    made.rename(target)
    fresh = target.parent / f"{LATEST}.{made.name}"
    fresh.write_text(made.name, "utf-8")
    fresh.rename(target.parent / LATEST)
    return target


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
