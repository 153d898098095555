"""aiperf: a short run."""

import json
from pathlib import Path

from tests.clients.scripts.checks import MODEL, URL, run
from tests.clients.scripts.command_line import REQUESTS, TOKENIZER, counted, output

command = f"aiperf profile --model {MODEL} --url {URL} --endpoint-type chat"
OPTIONS = ["--streaming", "--concurrency", "2", "--request-count", str(REQUESTS), "--ui", "none"]
OPTIONS += ["--tokenizer", str(TOKENIZER), "--isl", "16", "--osl", "8", "--artifact-dir", "run"]


def stream() -> str:
    output(command, *OPTIONS)
    records = Path("run", "profile_export.jsonl").read_text().splitlines()
    return counted(sum(not record.get("error") for record in map(json.loads, records)))


if __name__ == "__main__":
    run(stream)
