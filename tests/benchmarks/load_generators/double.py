"""Stands in for aiperf 0.13.0: takes the options that aiperf lists and no others, and writes the
records of a run that it did not make. Every fifth answer broke off and has no usage.

Beside it lie `version`, `options`, and `does`, which says how it ends; it leaves what it `saw`.
"""

import itertools
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[0]).parent
SECOND, MILLI = 1_000_000_000, 1_000_000
EACH = SECOND // 2
"""Nanoseconds from request to request of a user."""
GAPS = [20.0] * 15


def record(number: int, session: str, start: int) -> dict[str, Any]:
    first: dict[str, Any] = {
        "time_to_first_token": {"value": 100.0, "unit": "ms"},
        "inter_chunk_latency": {"value": GAPS, "unit": "ms"},
    }
    usage = {
        "usage_prompt_tokens": {"value": 7, "unit": "tokens"},
        "usage_completion_tokens": {"value": 16, "unit": "tokens"},
    }
    about = {
        "session_num": number,
        "conversation_id": session,
        "credit_issued_ns": start - MILLI,
        "request_start_ns": start,
        "request_ack_ns": start + MILLI,
        "request_end_ns": start + EACH - MILLI,
        "benchmark_phase": "profiling",
        "was_cancelled": False,
    }
    return {"metadata": about, "metrics": first if number % 5 == 0 else first | usage}


def write(given: dict[str, str]) -> None:
    sessions = [json.loads(line) for line in Path(given["--input-file"]).read_text().splitlines()]
    users = int(given.get("--concurrency", "4"))
    rounds = int(float(given["--benchmark-duration"]) * SECOND / EACH)
    begun = time.time_ns()
    folder = Path(given["--artifact-dir"])
    folder.mkdir()
    with (folder / "profile_export.jsonl").open("w") as file:
        for number in range(users * rounds):
            start = begun + number // users * EACH
            made = record(number, sessions[number]["session_id"], start)
            file.write(json.dumps(made) + "\n")


def main() -> int:
    words, does = sys.argv[1:], (HERE / "does").read_text()
    if words == ["--version"]:
        print((HERE / "version").read_text())
        return 0
    known = set((HERE / "options").read_text().split())
    unknown = [word for word in words if word.startswith("--") and word not in known]
    if unknown or words[0] != "profile":
        print(f"│ Unknown option: {unknown} │")
        return 1
    given = {word: value for word, value in itertools.pairwise(words) if word in known}
    inputs = [json.loads(line) for line in Path(given["--input-file"]).read_text().splitlines()]
    system = given.get("--system-prompt-file")
    if does == "wait":
        signal.signal(signal.SIGINT, lambda number, frame: None)
    text = Path(system).read_text() if system else None
    (HERE / "part").write_text(json.dumps({"words": words, "inputs": inputs, "system": text}))
    (HERE / "part").rename(HERE / "saw")
    if does == "fail":
        print("╭─ Error Running AIPerf System ──╮\n│ the server is │\n│ not there     │\n╰──╯")
        return 1
    if does == "wait":
        signal.pause()
    write(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
