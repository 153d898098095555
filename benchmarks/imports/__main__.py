"""python -m benchmarks.imports aiperf|vllm PATH --out FOLDER: another tool's run as one of ours.

Ends with 0 after a valid run, 3 after a void one, 1 when nothing was imported.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.imports import aiperf, vllm
from benchmarks.imports.external_run import UNKNOWN, NotImportable
from benchmarks.load.result import summary_text
from benchmarks.results import files
from common.command_line import Parser, exit_status

VOID = 3
READERS = {"aiperf": aiperf.read, "vllm": vllm.read}


def main(arguments: Sequence[str] | None = None) -> int:
    """Imports a run, prints what it shows, and returns the exit status."""
    options = _parser().parse_args(arguments)

    def work() -> int:
        result, requests = READERS[options.tool](options.path)
        names = {"backend": options.backend, "model": options.model or result.subject.model}
        result = result.model_copy(update={"subject": result.subject.model_copy(update=names)})
        print(files.write(options.out, result, requests))
        print(summary_text(result))
        return 0 if result.verdict.valid else VOID

    return exit_status(work, NotImportable)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m benchmarks.imports",
        description="Another load generator's run, judged again, as a result of ours.",
    )
    add = parser.add_argument
    add("tool", choices=list(READERS))
    add("path", type=Path, help="aiperf's folder; the JSON of vllm bench serve --save-detailed")
    add("--out", type=Path, required=True, metavar="DIR", help="for result.json, requests.jsonl")
    add("--backend", default=UNKNOWN, help="that was measured")
    add("--model", help="that was measured; as the tool's files name it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
