"""docs/operations.md is true: its commands work as written, and its tables are complete."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.operations.collector import Collector, attributes, running_collector
from tests.operations.live_prometheus import RULES
from tests.operations.tools import prometheus
from tests.service_process import REPOSITORY, Service, eventually, start_service

PAGE = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
CONSOLE = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def service(collector: Collector) -> Iterator[Service]:
    with start_service("echo", otlp_endpoint=collector.url) as started:
        yield started


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's commands run: they write files."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("build_scripts", "common", "deploy", "scripts", "services"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def run(code: str, folder: Path, service: Service) -> str:
    """With `prometheus` where scripts/prometheus has put it, and Python where the packages are."""
    tools = [Path(sys.executable).parent, Path(prometheus("promtool")).parent]
    path = os.pathsep.join([*map(str, tools), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", code.replace("localhost:3000", service.url.removeprefix("http://"))],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def block(part: str) -> str:
    """The one with that in it."""
    (found,) = (code for code in BLOCKS if part in code)
    return str(found)


def test_the_manifests_are_made_and_all_of_them_are_listed(
    checkout: Path, service: Service
) -> None:
    run(block("build_scripts.manifests"), checkout, service)
    made = {
        str(file.relative_to(checkout)) for file in (checkout / "out").rglob("*") if file.is_file()
    }
    assert set(re.findall(r"^\| `(out/[^`]+)`", PAGE, re.MULTILINE)) == made
    named = set(re.findall(r"\bout/[\w./-]*[\w]", " ".join(CONSOLE)))
    assert named
    assert all((checkout / name).exists() for name in named)
    unit = (checkout / "out" / "llm-vllm.service").read_text("utf-8")
    assert "EnvironmentFile=/etc/llm-services/llm-vllm.env" in unit


def test_a_start_is_told_by_readyz_and_readiness_by_the_metrics(
    checkout: Path, service: Service
) -> None:
    assert '"start_seconds":{"start":' in run(block("/readyz"), checkout, service)
    assert " 1.0\n" in run(block("gen_ai_server_ready"), checkout, service)


def test_promtool_checks_the_alerts(checkout: Path, service: Service) -> None:
    out = run(block("promtool test"), checkout, service)
    assert "7 rules found" in out
    listed = re.findall(r"^\| `(LLM\w+)`", PAGE, re.MULTILINE)
    rules = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    assert listed == [rule["alert"] for rule in rules]


def test_the_caller_of_the_traced_request_finds_it(
    checkout: Path, service: Service, collector: Collector
) -> None:
    run(block("traceparent"), checkout, service)
    eventually(lambda: bool(collector.spans), 30, "a span")
    (span,) = collector.spans
    assert span.trace_id.hex() == TRACE
    assert attributes(span.attributes)["gen_ai.usage.output_tokens"] == 5


def test_no_block_is_left_out() -> None:
    run_here = [block(part) for part in ("manifests", "/readyz", "_ready", "promtool", "trace")]
    assert sorted(BLOCKS) == sorted(run_here)
