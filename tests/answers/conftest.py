"""The engines that answer for real, each started once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.service_process import REPOSITORY, Service, start_service

ENGINES = ("transformers", "vllm", "sglang")

Question = dict[str, Any]


@pytest.fixture(scope="package")
def services() -> Iterator[dict[str, Service]]:
    """Returns a service of each engine, by its name."""
    with ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            started = list(pool.map(start_service, ENGINES))
        for service in started:
            stack.enter_context(service)
        yield {service.backend: service for service in started}


def questions() -> list[Question]:
    file = REPOSITORY / "common" / "demo_model" / "questions.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
