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

from common.settings import Settings
from tests.operations.collector import Collector, attributes, running_collector
from tests.operations.live_prometheus import RULES
from tests.operations.tools import CHART, chart, faults, prometheus
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
    for name in ("bentos", "build_scripts", "common", "operations", "scripts", "services"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def run(code: str, folder: Path, service: Service) -> str:
    """Returns what the code prints, with Prometheus and the packages of Python on its path."""
    tools = [Path(sys.executable).parent, Path(prometheus("promtool")).parent]
    path = os.pathsep.join([*map(str, tools), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", code.replace("localhost:3000", service.url.removeprefix("http://"))],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def block(part: str) -> str:
    """The one with that in it."""
    (found,) = (code for code in BLOCKS if part in code)
    return str(found)


def test_helm_takes_the_values_of_the_page() -> None:
    (values,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    objects = chart("vllm", "llm-vllm", **yaml.safe_load(values))
    (container,) = objects["deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/llm-vllm:1"
    assert objects.keys() >= {"cache", "autoscaler", "service-monitor"}
    (installed,) = re.findall(r"^helm install (.*)$", "\n".join(CONSOLE), re.MULTILINE)
    name, folder, *files = installed.replace("-f ", "").split()
    assert name == "llm-vllm"
    assert (REPOSITORY / folder / "Chart.yaml").exists()
    assert [(REPOSITORY / file).exists() for file in files] == [True, False]


def test_every_template_of_the_chart_is_listed() -> None:
    listed = re.findall(r"^\| `([a-z-]+\.yaml)`", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (CHART / "templates").glob("*.yaml"))


def test_the_files_for_one_machine_are_those_of_the_console_blocks(
    checkout: Path, service: Service
) -> None:
    before = {*checkout.iterdir()}
    run(block("operations compose"), checkout, service)
    run(block("operations monitoring"), checkout, service)
    made = {*checkout.iterdir()} - before
    names = {"compose.yaml", "monitoring.yaml", "llm-vllm.service"}
    assert {file.name for file in made} == names
    assert all(f" {file.name} " in " ".join(CONSOLE) for file in made)
    assert faults(checkout / "compose.yaml") == []
    unit = (checkout / "llm-vllm.service").read_text("utf-8")
    assert "EnvironmentFile=/etc/llm-services/llm-vllm.env" in unit


def test_a_start_is_told_by_readyz_and_readiness_by_the_metrics(
    checkout: Path, service: Service
) -> None:
    assert '"start_seconds":{"start":' in run(block("/readyz"), checkout, service)
    assert " 1.0\n" in run(block("gen_ai_server_ready"), checkout, service)


def test_promtool_checks_the_alerts(checkout: Path, service: Service) -> None:
    out = run(block("promtool test"), checkout, service)
    assert "10 rules found" in out
    listed = re.findall(r"^\| `(LLM\w+)`", PAGE, re.MULTILINE)
    rules = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    assert listed == [rule["alert"] for rule in rules]


def test_an_engine_that_has_not_stalled_is_told_by_the_metrics(
    checkout: Path, service: Service
) -> None:
    assert " 0.0\n" in run(block("_stalled"), checkout, service)


def test_the_table_of_limits_has_the_defaults_of_the_settings() -> None:
    section = PAGE.partition("## Limits on clients")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+)( [KM]iB)?", section, re.MULTILINE)
    assert len(rows) >= 16
    for name, number, unit in rows:
        factor = {"": 1, " KiB": 2**10, " MiB": 2**20}[unit]
        assert int(number.replace(",", "")) * factor == Settings.model_fields[name].default, name


def test_the_caller_of_the_traced_request_finds_it(
    checkout: Path, service: Service, collector: Collector
) -> None:
    run(block("traceparent"), checkout, service)
    eventually(lambda: bool(collector.spans), 120, "a span")
    (span,) = collector.spans
    assert span.trace_id.hex() == TRACE
    assert attributes(span.attributes)["gen_ai.usage.output_tokens"] == 5


def test_no_block_is_left_out() -> None:
    run_here = [
        block(part)
        for part in (
            "operations compose",
            "operations monitoring",
            "/readyz",
            "_ready",
            "_stalled",
            "promtool",
            "trace",
        )
    ]
    assert sorted(BLOCKS) == sorted(run_here)
