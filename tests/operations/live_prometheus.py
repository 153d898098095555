"""A real Prometheus that scrapes services of this test four times a second."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.limits import DEADLINE
from tests.operations.tools import prometheus
from tests.service_process import REPOSITORY, Service, eventually, free_port

RULES = REPOSITORY / "operations" / "prometheus" / "alerts.yaml"


class Prometheus:
    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=DEADLINE)

    def is_ready(self) -> bool:
        try:
            return self.http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.http.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", (path, parameters, answer)
        return answer["data"]

    def targets(self) -> list[dict[str, Any]]:
        """Returns what is scraped, each with its labels."""
        active: list[dict[str, Any]] = self.get("targets")["activeTargets"]
        return active

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant vector: labels and values that are numbers."""
        data = self.get("query", query=expression)
        found: list[dict[str, Any]] = data["result"]
        return [sample for sample in found if sample["value"][1] != "NaN"]


@contextmanager
def scraping(folder: Path, *services: Service, others: Sequence[str] = ()) -> Iterator[Prometheus]:
    """Stopped when the block ends; its data and its log are in `folder`. `others` are addresses of
    what else is scraped."""
    targets = [*(service.url.removeprefix("http://") for service in services), *others]
    static = {"targets": targets, "labels": {"namespace": "models"}}
    config = {
        "global": {"scrape_interval": "250ms", "evaluation_interval": "250ms"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "llm", "static_configs": [static]}],
    }
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = {
        "config.file": file,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
    }
    command = [prometheus("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    server = Prometheus(f"http://{address}")
    try:
        eventually(server.is_ready, 60, "Prometheus is ready")
        yield server
    finally:
        server.http.close()
        process.terminate()
        process.wait(DEADLINE)
