"""lm-eval, unmodified, gives the score that is to be expected, whichever engine computes."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.answers.conftest import Question, questions
from tests.clients.running import OFFLINE, inherited_environment, installed
from tests.contract.support import tokenize
from tests.service_process import REPOSITORY, Service

LIMIT = 600.0
"""Seconds of one run."""
COUNT, WRONG = 16, 4
"""Questions, and how many of them have a false answer in place of the right one."""
TASKS: dict[str, dict[str, Any]] = {
    "choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{gold}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    },
    "chat": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": [], "max_gen_toks": 40},
        "metric_list": [{"metric": "exact_match"}],
    },
}


def test_lm_eval_gives_the_expected_scores_on_each_engine(
    services: dict[str, Service], tmp_path: Path
) -> None:
    first, *_ = services.values()
    write_tasks(tmp_path, first)
    model = first.http.get("/v1/models").json()["data"][0]["id"]
    python = installed("client-lm_eval", "python", "lm-eval")
    command: list[str | Path] = [python, "-m", "tests.clients.scripts.lm_eval_run", model]
    command += [service.url for service in services.values()]
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**inherited_environment(), **OFFLINE, **home},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr[:6000]
    expected = 1 - WRONG / COUNT
    scores = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"choice"')]
    assert scores == [{"choice": expected, "chat": expected}] * len(services)


def write_tasks(folder: Path, service: Service) -> None:
    known = [q for q in questions() if q["kind"] == "fact" and len(q["messages"]) == 1][:COUNT]
    documents = [document(known, index, service) for index in range(COUNT)]
    lines = "".join(json.dumps(entry) + "\n" for entry in documents)
    (folder / "documents.jsonl").write_text(lines, "utf-8")
    for name, task in TASKS.items():
        data = {"data_files": {"test": str(folder / "documents.jsonl")}}
        source = {"dataset_path": "json", "dataset_kwargs": data, "test_split": "test"}
        # JSON is YAML.
        (folder / f"{name}.yaml").write_text(json.dumps({"task": name, **source, **task}), "utf-8")


def document(known: list[Question], index: int, service: Service) -> dict[str, Any]:
    """Returns a question with the answers to it and to the next three questions."""
    messages = known[index]["messages"]
    ids = tokenize(service, messages=messages)
    text = service.http.post("/detokenize", json={"tokens": ids}).json()["prompt"]
    choices = [known[(index + step) % COUNT]["answer"] for step in range(4)]
    gold = 1 if index < WRONG else 0
    question = messages[0]["content"]
    return {
        "prompt": text, "question": question, "choices": choices, "gold": gold,
        "answer": choices[gold],
    }  # fmt: skip
