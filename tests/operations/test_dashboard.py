"""Dashboard and alerts against a real Prometheus that scrapes services under load."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.contract.batch_client import client_of, create, endless
from tests.contract.support import CHAT, body_for
from tests.operations.live_prometheus import RULES, Prometheus, scraping
from tests.operations.tools import faults
from tests.service_process import REPOSITORY, Service, eventually, start_service

FILE = REPOSITORY / "operations" / "grafana" / "llm-services.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
VARIABLES = ("namespace", "instance", "backend", "model", "quantization")
WIDTH = 24
"""Columns of a dashboard in Grafana."""
QUERIES = {
    f"{panel['title']}/{target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
ALERTS = {
    rule["alert"]: rule["expr"]
    for rule in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
}
EXPORTED = (
    'DCGM_FI_DEV_GPU_UTIL{Hostname="node",gpu="0"} 90',
    'DCGM_FI_DEV_FB_USED{Hostname="node",gpu="0"} 70000',
    'DCGM_FI_DEV_POWER_USAGE{Hostname="node",gpu="0"} 650.5',
    'vllm:num_preemptions_total{engine="0",model_name="demo"} 3.0',
)
"""Series that the dashboard has beside ours, as NVIDIA's DCGM exporter and vLLM write them."""
THRESHOLD = re.compile(r"\s(?:==|>)\s[\d.]+")
LOAD = 6
"""Clients at once, of which the service takes 2."""
KEYS = {"authorization": "Bearer alice-key"}


def ask(service: Service, **fields: Any) -> None:
    body = body_for(CHAT, "Hello you", stream=True, **fields)
    try:
        httpx.post(service.url + CHAT, json=body, headers=KEYS, timeout=60)
    except httpx.TransportError:
        return


def leave(service: Service) -> None:
    body = body_for(CHAT, "Hello you", stream=True, max_tokens=500, ignore_eos=True)
    url = service.url + CHAT
    with httpx.stream("POST", url, json=body, headers=KEYS, timeout=60) as response:
        next(response.iter_lines())


def load(service: Service, stop: threading.Event) -> None:
    while not stop.is_set():
        ask(service, max_tokens=40)
        ask(service, max_tokens=5, ignore_eos=True)
        ask(service, temperature=9)
        leave(service)


class Exporter(BaseHTTPRequestHandler):
    """Answers a scrape with EXPORTED."""

    def do_GET(self) -> None:
        body = "".join(f"{line}\n" for line in EXPORTED).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def exporter() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, exporter: str) -> Iterator[Prometheus]:
    """It watches a service that is overloaded and has a batch, and one whose engine dies."""
    slow = {"itl": 0.01, "length": 20, "cached_tokens": 3}
    folder = tmp_path_factory.mktemp("service")
    keys = folder / "keys.toml"
    keys.write_text('[alice]\nkey = "alice-key"\n', "utf-8")
    own: dict[str, Any] = {"api_keys_file": str(keys), "batch_dir": str(folder / "batches")}
    dying = {"failure": "death", "fail_after": 2}
    stop = threading.Event()
    with (
        start_service("echo", engine_args=slow, max_concurrency=2, **own) as busy,
        start_service("echo", engine_args=dying, served_model_name="dying") as dead,
        scraping(tmp_path_factory.mktemp("prometheus"), busy, dead, others=[exporter]) as server,
    ):
        eventually(lambda: len(server.query("gen_ai_server_ready == 1")) == 2, 240, "both scraped")
        threads = [threading.Thread(target=load, args=(busy, stop)) for _ in range(LOAD)]
        for thread in threads:
            thread.start()
        create(client_of(busy, "alice"), *endless(500))
        try:
            ask(dead, max_tokens=20, ignore_eos=True)
            counted = 'gen_ai_server_requests_total{outcome="error", model="dying"} == 1'
            eventually(lambda: bool(server.query(counted)), 240, "the dead one is seen")
            enough = "min(count_over_time(gen_ai_server_requests_total[1m])) > 15"
            eventually(lambda: bool(server.query(enough)), 240, "a while has passed")
            yield server
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)


def filled(expression: str) -> str:
    """As Grafana sends it with everything selected, for four scrapes a second."""
    for name in VARIABLES:
        expression = expression.replace(f"${name}", ".*")
    return expression.replace("$__rate_interval", "4s")


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_of_the_dashboard_has_data(prometheus: Prometheus, name: str) -> None:
    eventually(lambda: bool(prometheus.query(filled(QUERIES[name]))), 240, QUERIES[name])
    assert "$" not in filled(QUERIES[name])


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_variables_have_values(prometheus: Prometheus, exporter: str, variable: str) -> None:
    (query,) = [
        found["query"] for found in DASHBOARD["templating"]["list"] if found["name"] == variable
    ]
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(query))
    assert match is not None
    values = prometheus.get(f"label/{match[2]}/values", **{"match[]": match[1]})
    expected = {
        "namespace": {"models"},
        "instance": {
            target["labels"]["instance"]
            for target in prometheus.targets()
            if target["labels"]["instance"] != exporter
        },
        "backend": {"echo"},
        "model": {"demo", "dying"},
        "quantization": {"none"},
    }
    assert set(values) == expected[variable]


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_looks_at_series_that_are_there(prometheus: Prometheus, name: str) -> None:
    """Without its thresholds it has a value for the services of this test."""
    expression = THRESHOLD.sub(" ", ALERTS[name])
    assert expression != ALERTS[name]
    eventually(lambda: bool(prometheus.query(expression)), 240, expression)


def test_each_outcome_has_series_of_its_own(prometheus: Prometheus) -> None:
    increase = "sum by (outcome) (increase(gen_ai_server_requests_total[1m])) > 0"

    def outcomes() -> set[str]:
        return {sample["metric"]["outcome"] for sample in prometheus.query(increase)}

    expected = {"stop", "length", "cancelled", "rejected"}
    eventually(lambda: outcomes() >= expected, 240, f"{expected}")


def test_the_dead_engine_becomes_an_alert_and_no_rule_fails(prometheus: Prometheus) -> None:
    def not_ready() -> set[str]:
        alerts = [alert["labels"] for alert in prometheus.get("alerts")["alerts"]]
        return {each["model"] for each in alerts if each["alertname"] == "LLMNotReady"}

    eventually(lambda: "dying" in not_ready(), 240, "it is pending")
    (group,) = prometheus.get("rules")["groups"]
    assert {rule["name"] for rule in group["rules"]} == set(ALERTS)
    assert {rule["health"] for rule in group["rules"]} == {"ok"}


def test_grafana_knows_every_field(tmp_path: Path) -> None:
    assert faults(FILE) == []
    misspelt = {**DASHBOARD, "refreshes": "10s"}
    misspelt["panels"] = [{**DASHBOARD["panels"][0], "gridPosition": {"x": 0}}]
    file = tmp_path / "misspelt.json"
    file.write_text(json.dumps(misspelt), "utf-8")
    assert sorted(fault.partition(": ")[2] for fault in faults(file)) == [
        "dashboard has no field 'refreshes'",
        "dashboard.panels[0] has no field 'gridPosition'",
    ]


def test_every_query_goes_to_the_chosen_source_for_what_is_chosen() -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    chosen = "{" + ", ".join(f'{name}=~"${name}"' for name in VARIABLES)
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"] == source
        for target in panel["targets"]:
            assert target["datasource"] == source
            selectors = re.findall(r"gen_ai_\w+(\S*[^)\]]*)", target["expr"])
            assert selectors or any(name.partition("{")[0] in target["expr"] for name in EXPORTED)
            assert all(selector.startswith(chosen) for selector in selectors), target["expr"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_panels_fill_the_page_without_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    height = max(y for _, y in cells) + 1
    assert len(cells) == WIDTH * height


def test_every_series_of_the_service_is_on_the_dashboard(prometheus: Prometheus) -> None:
    """All that any backend has: what is measured is shown."""
    names = set(prometheus.get("label/__name__/values"))
    base = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names if "gen_ai" in name}
    shown = " ".join(QUERIES.values())
    assert {name for name in base if name not in shown} == {"gen_ai_server_start_seconds"}
