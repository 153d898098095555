"""What a request and its answer say stands in no log, error, series or command line."""

import psutil
import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MARKER,
    MESSAGES,
    RESPONSES,
    answer,
    post,
    text_of,
)
from tests.service_process import Service

ASKED = "What is the capital of France?"
FIELDS = {GENERATE: "max_tokens", RESPONSES: "max_output_tokens"}


def command_lines(service: Service) -> str:
    """Returns those of the service's processes and of all that they started, with their names."""
    first = psutil.Process(service.process.pid)
    processes = [first, *first.children(recursive=True)]
    return "\n".join(f"{one.name()} {' '.join(one.cmdline())}" for one in processes)


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, MESSAGES, RESPONSES])
def test_prompts_and_answers_are_told_to_nobody_else(backend_service: Service, path: str) -> None:
    told = [
        post(backend_service, path, MARKER, **{FIELDS.get(path, "max_tokens"): 8}),
        post(backend_service, path, MARKER, model=f"a-{MARKER[:4]}"),
        post(backend_service, path, f"{MARKER} " * 9000),
        post(backend_service, path, MARKER, temperature=MARKER),
    ]
    assert told[0].status_code == 200
    assert [response.status_code // 100 for response in told[1:]] == [4, 4, 4]
    places = {f"error {n}": response.text for n, response in enumerate(told[1:])}
    places |= {"the log": backend_service.log_text(), "/metrics": metrics(backend_service)}
    places |= {"a command line": command_lines(backend_service)}
    assert [name for name, text in places.items() if MARKER in text] == []


def test_the_text_of_an_answer_is_in_no_log(backend_service: Service) -> None:
    words = text_of(answer(backend_service, CHAT, ASKED, max_tokens=24, temperature=0)).strip()
    assert words
    assert max(words.split(), key=len) not in metrics(backend_service)
    assert len(words) < 12 or words not in backend_service.log_text()


def metrics(service: Service) -> str:
    return service.http.get("/metrics").text
