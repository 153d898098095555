"""scripts/bento BACKEND [--arg name=value ...]: build its bento into the BentoML store.

Settings are checked first; the environment where the bento runs wins over them.
"""

import contextlib
import importlib.util
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import yaml

from build_scripts.bentos import bentofile, files, sbom
from build_scripts.bentos.baked import Baked, bake
from build_scripts.bentos.table import ROOT, Bento, bento, project
from build_scripts.builder.cli import build_status
from build_scripts.builder.errors import BuildError
from common.command_line import Parser
from common.messages import one_line

LATEST = "latest"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="scripts/bento", description=__doc__)
    parser.add_argument("backend", metavar="BACKEND")
    parser.add_argument("--cpu", action="store_true", help="the engine's own build for CPUs")
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", dest="words")
    parser.add_argument("--version", help="of the bento; none is a new one")
    parser.add_argument("--sbom", action="store_true", help=f"list its packages in {sbom.FILE}")
    parser.add_argument("-o", "--output", choices=["text", "tag"], default="text")
    options = parser.parse_args(arguments)

    def work() -> None:
        target = bento(options.backend, "cpu" if options.cpu else "")
        path = build(target, bake(target.engine, options.words), options.version, options.sbom)
        tag = f"{path.parent.name}:{path.name}"
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(tag if options.output == "tag" else f"built {tag}, {size / 1e6:.1f} MB: {path}")

    return build_status(work)


def build(target: Bento, baked: Baked, version: str | None, with_sbom: bool = False) -> Path:
    """Builds it, and returns its directory in the store, where it appears whole or not at all.

    Raises BuildError.
    """
    _check(target)
    if with_sbom:
        sbom.check()
    import bentoml
    from bentoml._internal.configuration.containers import BentoMLContainer

    if version == LATEST:
        raise BuildError(f"--version {LATEST}: so the newest is called; give another, or none")
    store = Path(BentoMLContainer.bento_store_dir.get())
    if version is not None and (store / target.name / version).exists():
        raise BuildError(
            f"{target.name}:{version} is in the store; delete it, or give another version"
        )
    # bentoml would say that it ignores the Python version for a base image; it does not.
    logging.getLogger("bentoml").setLevel(logging.ERROR)
    folder = BentoMLContainer.tmp_bento_store_dir
    # bentoml leaves there what it had of a bento that fails.
    with _scratch(Path(folder.get())) as scratch, folder.patch(str(scratch)):
        try:
            built = bentoml.bentos.build_bentofile(
                str(_bentofile(scratch, target, baked)),
                version=version,
                build_ctx=str(ROOT),
                args=dict(baked.arguments),
                _bento_store=type(BentoMLContainer.bento_store.get())(str(scratch)),
            )
        except (bentoml.exceptions.BentoMLException, ValueError, OSError) as error:
            raise BuildError(f"{target.name} cannot be built: {one_line(error)}") from None
        if with_sbom:
            sbom.write(Path(built.path), target.base_image)
        return _publish(Path(built.path), store)


def _bentofile(scratch: Path, target: Bento, baked: Baked) -> Path:
    """Writes the bentofile of bentos/ with what was baked in, and returns its path."""
    values = bentofile.options(target)
    values["labels"] = {**baked.labels, **values["labels"]}
    values["models"] = list(baked.models)
    file = scratch / "bentofile.yaml"
    file.write_text(yaml.safe_dump(values), "utf-8")
    return file


def _check(target: Bento) -> None:
    for line in files.disagreements(target):
        raise BuildError(f"{line}; run: python -m build_scripts.bentos --write")
    if shutil.which("uv") is None and importlib.util.find_spec("uv") is None:
        raise BuildError("uv is missing, which bentoml would fetch for every build: pip install uv")
    (pin,) = (line for line in project()["dependencies"] if line.startswith("bentoml=="))
    version = metadata.version("bentoml")
    if pin != f"bentoml=={version}":
        raise BuildError(f"this is bentoml {version}, which a bento would ask for; needed is {pin}")


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Makes a store on the same disk and enters the root, from which alone bentoml reads files."""
    scratch = Path(tempfile.mkdtemp(prefix="build-", dir=folder))
    try:
        with contextlib.chdir(ROOT):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(built: Path, store: Path) -> Path:
    directory = store / built.parent.name / built.name
    directory.parent.mkdir(parents=True, exist_ok=True)
    built.rename(directory)
    fresh = directory.parent / f"{LATEST}.{built.name}"
    fresh.write_text(built.name, "utf-8")
    fresh.rename(directory.parent / LATEST)
    return directory


if __name__ == "__main__":
    sys.exit(main())
