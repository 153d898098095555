"""python -m build_scripts.bentos: the bentos, their images, and whether their files agree.

--write makes the files in bentos/ that do not depend on an index, --lock their requirements too.
--sizes lists the bentos in the BentoML store.
"""

import sys
from collections.abc import Sequence

from build_scripts.bentos import files
from build_scripts.bentos.sizes import sizes
from build_scripts.bentos.table import Bento, all_bentos, bentos
from build_scripts.builder.errors import BuildError
from common.command_line import Parser, text_table
from common.errors import StartError

HEAD = ["bento", "service", "engine", "image", "Python", "pins"]


def row(bento: Bento) -> list[str]:
    engine = f"{bento.engine.title} {bento.release}"
    packaging = bento.packaging
    return [bento.name, bento.target, engine, bento.image, packaging.python, packaging.lock]


def check(found: Sequence[Bento]) -> int:
    """Print the table, then what disagrees; an exit status."""
    print(text_table([HEAD, *(row(bento) for bento in found)]))
    wrong = [line for bento in found for line in files.disagreements(bento)]
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m build_scripts.bentos", description=__doc__)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help="none is all of them")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--write", action="store_true", help="make their files")
    form.add_argument("--lock", action="store_true", help="make their files and requirements")
    form.add_argument("--sizes", action="store_true", help="list the bentos in the store")
    options = parser.parse_args(arguments)
    try:
        named = [bento for backend in options.backends for bento in bentos(backend)]
        if options.sizes:
            print(sizes([bento.name for bento in named]))
            return 0
        found = named or all_bentos()
        if not options.write and not options.lock:
            return check(found)
        for bento in found:
            files.write(bento, lock=options.lock)
    except (BuildError, StartError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
