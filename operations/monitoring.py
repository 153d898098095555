"""The file that adds Prometheus and Grafana to a compose.yaml, with our alerts and dashboard."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
GRAFANA_IMAGE = "grafana/grafana:12.1.1"
PROVISIONING = "/etc/grafana/provisioning"
DASHBOARDS = "/etc/dashboards"


def compose_overlay(service: str, port: int) -> str:
    """Returns YAML that goes beside the compose.yaml of `service`, which listens on `port`."""
    files = {
        "prometheus": ("/etc/prometheus/prometheus.yml", prometheus_config(service, port)),
        "alerts": ("/etc/prometheus/alerts.yaml", _text("prometheus/alerts.yaml")),
        "datasource": (f"{PROVISIONING}/datasources/prometheus.yaml", _datasource()),
        "dashboards": (f"{PROVISIONING}/dashboards/llm-services.yaml", _dashboards()),
        "dashboard": (f"{DASHBOARDS}/llm-services.json", _text("grafana/llm-services.json")),
    }
    own = ("prometheus", "alerts")
    document = {
        "services": {
            "prometheus": {
                "image": PROMETHEUS_IMAGE,
                "restart": "unless-stopped",
                "ports": ["127.0.0.1:9090:9090"],
                "configs": [_mount(name, files[name][0]) for name in own],
                "volumes": ["prometheus:/prometheus"],
            },
            "grafana": {
                "image": GRAFANA_IMAGE,
                "restart": "unless-stopped",
                "ports": ["127.0.0.1:3001:3000"],
                "configs": [_mount(name, files[name][0]) for name in files if name not in own],
                "volumes": ["grafana:/var/lib/grafana"],
            },
        },
        "volumes": {"prometheus": {}, "grafana": {}},
        # Compose would read `$name` in them as a variable.
        "configs": {
            name: {"content": text.replace("$", "$$")} for name, (_, text) in files.items()
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def prometheus_config(service: str, port: int) -> str:
    """Returns prometheus.yaml for that service alone."""
    config: dict[str, Any] = yaml.safe_load(_text("prometheus/prometheus.yaml"))
    (scrape,) = config["scrape_configs"]
    (target,) = scrape["static_configs"]
    target["targets"] = [f"{service}:{port}"]
    return yaml.safe_dump(config, sort_keys=False)


def _datasource() -> str:
    source = {"name": "Prometheus", "type": "prometheus", "url": "http://prometheus:9090"}
    return yaml.safe_dump({"apiVersion": 1, "datasources": [{**source, "isDefault": True}]})


def _dashboards() -> str:
    provider = {"name": "llm-services", "type": "file", "options": {"path": DASHBOARDS}}
    return yaml.safe_dump({"apiVersion": 1, "providers": [provider]})


def _mount(name: str, target: str) -> dict[str, str]:
    return {"source": name, "target": target}


def _text(path: str) -> str:
    return (FOLDER / path).read_text("utf-8")
