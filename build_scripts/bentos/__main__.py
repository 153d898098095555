"""python -m build_scripts.bentos: the bentos, their images, and whether their files agree.

--write makes the files in bentos/ that do not depend on an index, --lock their requirements too.
--sizes lists the bentos in the BentoML store, --digests the digests of their base images.
"""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from build_scripts.bentos import digests, files
from build_scripts.bentos.table import Bento, all_bentos, bentos
from build_scripts.builder.errors import BuildError
from common.command_line import Parser, exit_status, text_table
from common.errors import StartError
from common.models.artifacts import store_directory

BENTO_HEAD = ["bento", "service", "engine", "image", "Python", "pins"]
SIZE_HEAD = ["bento", "files", "code", "model inside", "model beside", "total"]


def check(listed: Sequence[Bento]) -> int:
    """Prints the table, then what disagrees; returns an exit status."""
    print(text_table([BENTO_HEAD, *map(_row, listed)]))
    problems = [line for bento in listed for line in files.disagreements(bento)]
    for line in problems:
        print(f"error: {line}", file=sys.stderr)
    return 1 if problems else 0


def _row(bento: Bento) -> list[str]:
    engine = f"{bento.engine.title} {bento.release}"
    packaging = bento.packaging
    return [bento.name, bento.target, engine, bento.image, packaging.python, packaging.lock]


def sizes(names: Collection[str] = ()) -> str:
    """Returns a table, in MB (10^6 bytes), of the bentos in the store that have these names, or of
    all; the newest comes first."""
    import bentoml

    rows = []
    for bento in sorted(bentoml.list(), key=lambda each: each.info.creation_time, reverse=True):
        if names and bento.tag.name not in names:
            continue
        paths = [path for path in Path(bento.path).rglob("*") if path.is_file()]
        total = sum(path.stat().st_size for path in paths)
        inside = sum(path.stat().st_size for path in paths if "demo_model" in path.parts)
        beside = sum(_model_bytes(str(model.tag)) for model in bento.info.all_models)
        sizes = (total - inside, inside, beside, total + beside)
        rows.append([str(bento.tag), str(len(paths)), *(f"{size / 1e6:.1f} MB" for size in sizes)])
    return text_table([SIZE_HEAD, *rows])


def _model_bytes(tag: str) -> int:
    folder = store_directory().joinpath(*tag.split(":"))
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m build_scripts.bentos", description=__doc__)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help="none is all of them")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--write", action="store_true", help="make their files")
    form.add_argument("--lock", action="store_true", help="make their files and requirements")
    form.add_argument("--sizes", action="store_true", help="list the bentos in the store")
    form.add_argument("--digests", action="store_true", help="ask registries for those of images")
    options = parser.parse_args(arguments)

    def work() -> int:
        named = [bento for backend in options.backends for bento in bentos(backend)]
        listed = named or all_bentos()
        if options.sizes:
            print(sizes([bento.name for bento in named]))
        elif options.digests:
            print(digests.pins(listed))
        elif not options.write and not options.lock:
            return check(listed)
        else:
            for bento in listed:
                files.write(bento, lock=options.lock)
        return 0

    return exit_status(work, BuildError, StartError)


if __name__ == "__main__":
    sys.exit(main())
