"""Tasks put to a server that answers as it is told: the arithmetic, and what it cannot do."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality import lm_eval
from benchmarks.quality.__main__ import measure
from benchmarks.quality.endpoint import QualityFailed
from benchmarks.quality.tasks import QualitySpec
from benchmarks.results.quality import TaskScore
from benchmarks.results.schema import Subject

Answer = tuple[int, dict[str, Any]]
LIKELY, UNLIKELY = -0.5, -2.0
NO_LOGPROBS = "echo together with logprobs is not supported by the x backend: it has none"


def complete(body: dict[str, Any]) -> Answer:
    """A token is a character; `b` is likely, others are not, and every answer is `b`."""
    told = [None, *(LIKELY if t == ord("b") else UNLIKELY for t in body["prompt"][1:]), LIKELY]
    logprobs = {"token_logprobs": told} if body.get("echo") else None
    return 200, {"choices": [{"text": "b", "token_ids": [ord("b"), 0], "logprobs": logprobs}]}


def refuse_logprobs(body: dict[str, Any]) -> Answer:
    return (400, {"error": {"message": NO_LOGPROBS}}) if body.get("echo") else complete(body)


def fail(_: dict[str, Any]) -> Answer:
    return 500, {"error": {"message": "out of memory"}}


@contextmanager
def server(completions: Callable[[dict[str, Any]], Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = (
                completions(body)
                if self.path == "/v1/completions"
                else (200, {"tokens": [*map(ord, body.get("prompt") or "m")]})
            )
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Not into the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_address[1]}"
        finally:
            served.shutdown()
            thread.join()


DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "exact": [{"prompt": "a", "answer": "b"}, {"messages": [{"role": "user"}], "answer": "c"}],
    "choice": [
        {"prompt": "a", "choices": ["bbb", "c"], "answer": 0},
        {"messages": [{"role": "user"}], "choices": ["b", "c"], "answer": 1},
    ],
    "perplexity": [{"text": "xbb"}, {"text": "xbc"}],
}


def scores(
    folder: Path, completions: Callable[[dict[str, Any]], Answer] = complete
) -> dict[str, TaskScore]:
    tasks = []
    for kind, documents in DOCUMENTS.items():
        file = folder / f"{kind}.jsonl"
        file.write_text("".join(json.dumps(each) + "\n" for each in documents))
        tasks.append({"kind": kind, "file": str(file)})
    with server(completions) as url:
        spec = QualitySpec.model_validate({"url": url, "model": "m", "tasks": tasks})
        subject = Subject(backend="x", model="m", url=url)
        return {task.name: task for task in asyncio.run(measure(spec, subject)).tasks}


def test_each_kind_of_task_has_the_score_that_the_answers_are_worth(tmp_path: Path) -> None:
    found = scores(tmp_path)
    assert [one.right for one in found["exact"].documents] == [True, False]
    assert found["exact"].documents[0].tokens == (ord("b"), 0)
    # Log-probabilities are added, however long a choice is: 3 * -0.5 is more than -2.
    assert [one.right for one in found["choice"].documents] == [True, False]
    (first, second) = found["perplexity"].documents
    assert (first.logprob, first.predicted) == (2 * LIKELY, 2)
    assert (second.logprob, second.predicted) == (LIKELY + UNLIKELY, 2)
    score = found["perplexity"].score
    assert score is not None
    assert score.value == pytest.approx(2.718281828**0.875)
    assert score.low is not None
    assert score.low < score.value


def test_a_task_that_the_backend_cannot_do_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    found = scores(tmp_path, refuse_logprobs)
    assert found["exact"].score is not None
    for name in ("choice", "perplexity"):
        assert found[name].score is None
        assert found[name].reason == f"line 1: POST /v1/completions answers 400: {NO_LOGPROBS}"


def test_a_server_that_fails_has_no_score_at_all(tmp_path: Path) -> None:
    with pytest.raises(QualityFailed, match="POST /v1/completions answers 500: out of memory"):
        scores(tmp_path, fail)


def test_lm_eval_that_is_not_installed_says_how_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lm_eval, "PYTHON", tmp_path / "python")
    tasks = [{"kind": "lm_eval", "name": "arc_easy"}]
    spec = QualitySpec.model_validate({"url": "http://x", "model": "m", "tasks": tasks})
    (told,) = asyncio.run(measure(spec, Subject(backend="x", model="m", url="http://x"))).tasks
    assert told.reason == "lm-eval is not installed: scripts/clients lm_eval"
