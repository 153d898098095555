"""The files for Prometheus: promtool takes them, and they find what the chart makes."""

from pathlib import Path

import pytest
import yaml

from tests.operations.tools import chart, pod_of, prometheus, run
from tests.service_process import REPOSITORY

FOLDER = REPOSITORY / "operations" / "prometheus"
IN_CLUSTER = "kubernetes_sd_configs"


@pytest.mark.parametrize("name", ["prometheus.yaml", "kubernetes.yaml"])
def test_the_configuration_is_valid(name: str, tmp_path: Path) -> None:
    """Debian's build cannot look for pods: what comes after that is checked."""
    config = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    config["rule_files"] = [str(FOLDER / file) for file in config["rule_files"]]
    (scrape,) = config["scrape_configs"]
    scrape.pop(IN_CLUSTER, None)
    file = tmp_path / name
    file.write_text(yaml.safe_dump(config), "utf-8")
    checked = run(prometheus("promtool"), "check", "config", file)
    assert checked.returncode == 0, checked.stderr
    assert "rules found" in checked.stdout
    scrape["scrape_intervall"] = "1s"
    file.write_text(yaml.safe_dump(config), "utf-8")
    assert "scrape_intervall" in run(prometheus("promtool"), "check", "config", file).stderr


def test_in_a_cluster_the_pods_of_the_chart_are_looked_for() -> None:
    config = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text("utf-8"))
    (scrape,) = config["scrape_configs"]
    (discovery,) = scrape[IN_CLUSTER]
    (selector,) = discovery["selectors"]
    name, _, value = selector["label"].partition("=")
    objects = chart("vllm")
    assert objects["deployment"]["spec"]["template"]["metadata"]["labels"][name] == value
    kept = next(rule for rule in scrape["relabel_configs"] if rule["action"] == "keep")
    assert kept["source_labels"] == ["__meta_kubernetes_pod_container_port_name"]
    (port,) = pod_of(objects)["containers"][0]["ports"]
    assert kept["regex"] == port["name"]
    added = {rule.get("target_label") for rule in scrape["relabel_configs"]} - {None}
    assert added == {"namespace", "instance", "pod"}
