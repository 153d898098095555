"""vllm bench serve: a short run."""

import json
from pathlib import Path

from tests.clients.scripts.checks import MODEL, URL, run
from tests.clients.scripts.command_line import REQUESTS, TOKENIZER, counted, output

command = f"vllm bench serve --backend openai-chat --base-url {URL} --model {MODEL}"
OPTIONS = ["--endpoint", "/v1/chat/completions", "--tokenizer", str(TOKENIZER)]
OPTIONS += ["--dataset-name", "random", "--random-input-len", "16", "--random-output-len", "8"]
OPTIONS += ["--num-prompts", str(REQUESTS), "--disable-tqdm"]
OPTIONS += ["--save-result", "--result-filename", "run.json"]


def stream() -> str:
    output(command, *OPTIONS)
    return counted(json.loads(Path("run.json").read_text())["completed"])


if __name__ == "__main__":
    run(stream)
