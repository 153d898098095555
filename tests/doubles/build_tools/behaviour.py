"""How a tool's double behaves: well, or as tools do that meet trouble."""

import argparse
import os
import signal
import sys
from pathlib import Path

VARIABLE = "TOOL_DOUBLE"
"""PROGRAM=TROUBLE, comma-separated: "halfway", "disk", "hang" or "nothing"."""
HALF = b"half of a file"


def parser(program: str, flags: dict[str, object]) -> argparse.ArgumentParser:
    """Takes exactly `flags` (name -> list of choices, True for a switch, None for any value)."""
    found = argparse.ArgumentParser(prog=program, allow_abbrev=False)
    for name, kind in flags.items():
        if kind is True:
            found.add_argument(name, action="store_true")
        else:
            found.add_argument(name, choices=kind if isinstance(kind, list) else None)
    return found


def trouble(program: str) -> str | None:
    """What is asked of `program`."""
    asked = dict(each.split("=") for each in os.environ.get(VARIABLE, "").split(",") if each)
    return asked.get(program)


def meet_trouble(program: str, file: Path) -> None:
    """Where a tool begins to write `file`: go on, or end as asked."""
    asked = trouble(program)
    if asked is None:
        return
    if asked == "nothing":
        sys.exit(0)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(HALF)
    if asked == "hang":
        print("working", flush=True)
        signal.pause()
    if asked == "disk":
        sys.exit(f"OSError: [Errno 28] No space left on device: '{file}'")
    sys.exit(f"{program}: RuntimeError: something broke halfway")
