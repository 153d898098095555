"""The alerts: promtool runs their own tests, and those tests notice a changed rule."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.operations.tools import prometheus, run
from tests.service_process import REPOSITORY

FOLDER = REPOSITORY / "operations" / "prometheus"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
CHANGES = [
    ("LLMGone", "up == 0", "up == 1"),
    ("LLMGone", "on (job, instance)", "on (instance)"),
    ("LLMNotReady", "gen_ai_server_ready == 0", "gen_ai_server_ready == 1"),
    ("LLMNotReady", "\n      and changes(gen_ai_server_start_seconds[2m]) == 0", ""),
    ("LLMStalled", "max_over_time(gen_ai_server_stalled[5m])", "gen_ai_server_stalled"),
    ("LLMStalled", "== 1", "== 0"),
    ("LLMSlowStart", "> 1800", "> 60"),
    ("LLMSlowStart", "> 1800", "> 18000"),
    ("LLMErrors", "> 0.05", "> 0.5"),
    ("LLMErrors", "> 0.05", "> 0.01"),
    ("LLMErrors", 'outcome="error"', 'outcome="stop"'),
    ("LLMRefusals", "> 0.05", "> 0.5"),
    ("LLMRefusals", "> 0.05", "> 0.01"),
    ("LLMRefusals", '{code!="rate_limit_exceeded"}', ""),
    ("LLMRefusals", '{outcome!="rejected"}', ""),
    ("LLMQueueGrows", "and deriv(gen_ai_server_requests_waiting[5m]) > 0", ""),
    ("LLMQueueGrows", "min_over_time", "max_over_time"),
    ("LLMSlowFirstToken", "> 5\n", "> 10\n"),
    ("LLMSlowFirstToken", "0.95", "0.5"),
    ("LLMSlowFirstToken", "0.95", "0.999"),
    ("LLMFirstTokenBudget", "and 1 -", "or 1 -"),
    ("LLMFirstTokenBudget", "> 0.144", "> 0.5"),
    ("LLMFirstTokenBudget", "[5m]", "[1h]"),
    ("LLMKVCacheFull", "> 0.95", "> 0.995"),
    ("LLMKVCacheFull", "min_over_time", "max_over_time"),
]


def copy_with(tmp_path: Path, text: str) -> Path:
    shutil.copy(FOLDER / "alerts.test.yaml", tmp_path)
    (tmp_path / "alerts.yaml").write_text(text, "utf-8")
    return tmp_path


def test_the_rules_are_valid_and_pass_their_tests() -> None:
    checked = run(prometheus("promtool"), "check", "rules", "alerts.yaml", folder=FOLDER)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout
    tested = run(prometheus("promtool"), "test", "rules", "alerts.test.yaml", folder=FOLDER)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize(("alert", "old", "new"), CHANGES)
def test_a_changed_rule_fails_its_tests(alert: str, old: str, new: str, tmp_path: Path) -> None:
    text = (FOLDER / "alerts.yaml").read_text("utf-8")
    before, name, after = text.partition(f"- alert: {alert}\n")
    assert name
    assert old in after.partition("- alert:")[0]
    folder = copy_with(tmp_path, before + name + after.replace(old, new, 1))
    tested = run(prometheus("promtool"), "test", "rules", "alerts.test.yaml", folder=folder)
    assert tested.returncode == 1
    assert alert in tested.stdout + tested.stderr


def test_every_alert_fires_in_a_test_and_says_what_to_do() -> None:
    tests = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text("utf-8"))["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert fired == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


def test_every_runbook_is_a_section_of_the_docs() -> None:
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        headings = re.findall(r"^## (.*)$", (REPOSITORY / page).read_text("utf-8"), re.MULTILINE)
        assert anchor in [heading.lower() for heading in headings]
