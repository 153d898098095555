"""GuideLLM: a short run."""

import json
from pathlib import Path

from tests.clients.scripts.checks import MODEL, URL, run
from tests.clients.scripts.command_line import REQUESTS, TOKENIZER, counted, output

command = f"guidellm run --backend kind=openai_http,target={URL},model={MODEL}"
OPTIONS = ["--profile", "kind=concurrent,streams=2", "--disable-console"]
OPTIONS += ["--constraint", f"kind=max_requests,count={REQUESTS}"]
OPTIONS += ["--tokenizer", f"kind=huggingface_auto,model={TOKENIZER}"]
OPTIONS += ["--data", "kind=synthetic_text,prompt_tokens=16,output_tokens=8"]
OPTIONS += ["--output", "kind=json,path=report.json"]


def stream() -> str:
    output(command, *OPTIONS)
    (benchmark,) = json.loads(Path("report.json").read_text())["benchmarks"]
    return counted(benchmark["metrics"]["request_totals"]["successful"])


if __name__ == "__main__":
    run(stream)
