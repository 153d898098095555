"""Dashboard and alerts against a real Prometheus that scrapes services under load."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from build_scripts import dashboard
from tests.contract.support import CHAT, body_for
from tests.operations.live_prometheus import RULES, Prometheus, scraping
from tests.operations.tools import faults
from tests.service_process import Service, eventually, start_service

DASHBOARD: dict[str, Any] = json.loads(dashboard.FILE.read_text("utf-8"))
QUERIES = {
    f"{panel['title']}/{target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
ALERTS = {
    rule["alert"]: rule["expr"]
    for rule in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
}
THRESHOLD = re.compile(r"\s(?:==|>)\s[\d.]+")
LOAD = 6
"""Clients at once, of which the service takes 2."""


def ask(service: Service, **fields: Any) -> None:
    body = body_for(CHAT, "Hello you", stream=True, **fields)
    try:
        httpx.post(service.url + CHAT, json=body, timeout=60)
    except httpx.TransportError:
        return


def leave(service: Service) -> None:
    body = body_for(CHAT, "Hello you", stream=True, max_tokens=500, ignore_eos=True)
    with httpx.stream("POST", service.url + CHAT, json=body, timeout=60) as response:
        next(response.iter_lines())


def load(service: Service, stop: threading.Event) -> None:
    while not stop.is_set():
        ask(service, max_tokens=40)
        ask(service, max_tokens=5, ignore_eos=True)
        ask(service, temperature=9)
        leave(service)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It watches a service that is overloaded, and one whose engine dies."""
    slow = {"itl": 0.01, "length": 20}
    dying = {"failure": "death", "fail_after": 2}
    stop = threading.Event()
    with (
        start_service("echo", engine_args=slow, max_concurrency=2) as busy,
        start_service("echo", engine_args=dying, served_model_name="dying") as dead,
        scraping(tmp_path_factory.mktemp("prometheus"), busy, dead) as server,
    ):
        eventually(lambda: len(server.query("gen_ai_server_ready == 1")) == 2, 60, "both scraped")
        threads = [threading.Thread(target=load, args=(busy, stop)) for _ in range(LOAD)]
        for thread in threads:
            thread.start()
        try:
            ask(dead, max_tokens=20, ignore_eos=True)
            counted = 'gen_ai_server_requests_total{outcome="error", model="dying"} == 1'
            eventually(lambda: bool(server.query(counted)), 30, "the dead one is seen")
            enough = "min(count_over_time(gen_ai_server_requests_total[1m])) > 15"
            eventually(lambda: bool(server.query(enough)), 120, "a while has passed")
            yield server
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)


def filled(expression: str) -> str:
    """As Grafana sends it with everything selected, for a scrape each second."""
    for name in dashboard.VARIABLES:
        expression = expression.replace(f"${name}", ".*")
    return expression.replace("$__rate_interval", "15s")


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_of_the_dashboard_has_data(prometheus: Prometheus, name: str) -> None:
    eventually(lambda: bool(prometheus.query(filled(QUERIES[name]))), 30, QUERIES[name])
    assert "$" not in filled(QUERIES[name])


@pytest.mark.parametrize("variable", dashboard.VARIABLES)
def test_the_variables_have_values(prometheus: Prometheus, variable: str) -> None:
    (query,) = [
        found["query"] for found in DASHBOARD["templating"]["list"] if found["name"] == variable
    ]
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(query))
    assert match is not None
    values = prometheus.get(f"label/{match[2]}/values", **{"match[]": match[1]})
    expected = {"backend": ["echo"], "model": ["demo", "dying"], "quantization": ["none"]}
    assert values == expected[variable]


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_looks_at_series_that_are_there(prometheus: Prometheus, name: str) -> None:
    """Without its thresholds it has a value for the services of this test."""
    expression = THRESHOLD.sub(" ", ALERTS[name])
    assert expression != ALERTS[name]
    eventually(lambda: bool(prometheus.query(expression)), 30, expression)


def test_the_outcomes_are_told_apart(prometheus: Prometheus) -> None:
    increase = "sum by (outcome) (increase(gen_ai_server_requests_total[1m])) > 0"

    def outcomes() -> set[str]:
        return {sample["metric"]["outcome"] for sample in prometheus.query(increase)}

    wanted = {"stop", "length", "cancelled", "rejected"}
    eventually(lambda: outcomes() >= wanted, 60, f"{wanted}")


def test_the_dead_engine_becomes_an_alert_and_no_rule_fails(prometheus: Prometheus) -> None:
    def dying() -> list[dict[str, Any]]:
        alerts: list[dict[str, Any]] = prometheus.get("alerts")["alerts"]
        return [found for found in alerts if found["labels"]["alertname"] == "LLMNotReady"]

    eventually(lambda: bool(dying()), 60, "it is pending")
    assert [found["labels"]["model"] for found in dying()] == ["dying"]
    (group,) = prometheus.get("rules")["groups"]
    assert {rule["name"] for rule in group["rules"]} == set(ALERTS)
    assert {rule["health"] for rule in group["rules"]} == {"ok"}


def test_the_file_is_what_the_tables_make() -> None:
    assert dashboard.FILE.read_text("utf-8") == dashboard.text()


def test_grafana_knows_every_field(tmp_path: Path) -> None:
    assert faults(dashboard.FILE) == []
    misspelt = {**DASHBOARD, "refreshes": "10s"}
    misspelt["panels"] = [{**DASHBOARD["panels"][0], "gridPosition": {"x": 0}}]
    file = tmp_path / "misspelt.json"
    file.write_text(json.dumps(misspelt), "utf-8")
    assert sorted(fault.partition(": ")[2] for fault in faults(file)) == [
        "dashboard has no field 'refreshes'",
        "dashboard.panels[0] has no field 'gridPosition'",
    ]


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
    assert len(cells) == dashboard.WIDTH * height


def test_every_series_of_the_service_is_on_the_dashboard(prometheus: Prometheus) -> None:
    """All that any backend has: what is measured is shown."""
    names = set(prometheus.get("label/__name__/values"))
    base = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names if "gen_ai" in name}
    shown = " ".join(QUERIES.values())
    assert {name for name in base if name not in shown} == {"gen_ai_server_start_seconds"}
