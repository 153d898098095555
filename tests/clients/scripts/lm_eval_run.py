"""lm-eval: multiple choice by log-probability, and exact answers of a chat.

`python -m tests.clients.scripts.lm_eval_run MODEL URL ...`, in a folder with the tasks `choice` and
`chat`, prints the scores of each server as a line of JSON.
"""

import json
import sys

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

from tests.clients.scripts.command_line import TOKENIZER

MODEL, *URLS = sys.argv[1:]
SERVED = {"model": MODEL, "num_concurrent": 8, "max_retries": 1, "tokenizer": str(TOKENIZER)}


def score(model: str, url: str, task: str, metric: str) -> float:
    """Returns the mean of a metric, 0 to 1, over all documents of a task."""
    results = simple_evaluate(
        model=model,
        model_args=SERVED | {"base_url": url},
        tasks=[task],
        task_manager=TaskManager(include_path=".", include_defaults=False),
        apply_chat_template=model == "local-chat-completions",
        bootstrap_iters=0,
    )
    return float(results["results"][task][metric])


if __name__ == "__main__":
    for server in URLS:
        choice = score("local-completions", f"{server}/v1/completions", "choice", "acc,none")
        route = f"{server}/v1/chat/completions"
        chat = score("local-chat-completions", route, "chat", "exact_match,none")
        print(json.dumps({"choice": choice, "chat": chat}))
