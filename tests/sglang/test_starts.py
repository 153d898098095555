"""Starts of the real SGLang that fail say why, and its end leaves nothing of it and all else."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.plan.tables import table
from services._sglang.arguments import CPU_KV_CACHE_TOKENS, RESERVED
from tests.conftest import require_backend
from tests.limits import DEADLINE
from tests.model_directories import demo_copy
from tests.service_process import REPOSITORY, START_DEADLINE, eventually, interpreter

PLAN = table("sglang", "SGLang")
CASES = {
    "weights of another shape": "self.org_vocab_size=1024",
    "a library that is not here": "No module named 'outlines'",
    "what a CPU does not have": "attention backends are supported for deterministic inference",
    "a cache that is too small": "'max_model_len': 4096 tokens do not fit into SGLang's KV cache",
}
"""What fails, with words of the cause."""


def settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns the environment of each case."""
    other = demo_copy(folder / "other", vocab_size=1024)
    arguments = {
        "a library that is not here": {"grammar_backend": "outlines"},
        "what a CPU does not have": {"enable_deterministic_inference": True},
        "a cache that is too small": {"max_total_tokens": 100},
    }
    return {
        "weights of another shape": {"MODEL": str(other)},
        **{name: {"ENGINE_ARGS": json.dumps(values)} for name, values in arguments.items()},
    }


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    require_backend("sglang")
    cases = settings(tmp_path_factory.mktemp("models"))
    assert list(cases) == list(CASES)
    done = subprocess.run(
        [interpreter("sglang"), "-m", "tests.sglang.starts"],
        input=json.dumps(list(cases.values())),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=START_DEADLINE * len(cases),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    yield result
    psutil.Process(result["other"]).kill()


@pytest.mark.parametrize("case", CASES)
def test_a_start_that_fails_names_the_cause(outcome: dict[str, Any], case: str) -> None:
    line = outcome["refusals"][list(CASES).index(case)]
    assert CASES[case] in line
    assert "\n" not in line


def test_all_arguments_that_are_refused_or_planned_are_sglangs(outcome: dict[str, Any]) -> None:
    planned = {name for row in PLAN.schemes for name in row.arguments}
    planned |= {name for row in PLAN.caches for name in row.arguments}
    assert planned == {"kv_cache_dtype", "load_format"}
    assert planned | set(RESERVED) <= set(outcome["fields"])


def test_on_a_cpu_the_plan_counts_the_cache_that_sglang_is_given() -> None:
    assert PLAN.cpu_kv_cache_tokens == CPU_KV_CACHE_TOKENS


@pytest.mark.parametrize("field", ["frequency", "presence"])
def test_a_request_that_is_computed_again_keeps_its_penalties(
    outcome: dict[str, Any], field: str
) -> None:
    alone, *together = outcome["penalized"][field]
    assert len(alone) == 60
    assert together == [alone, alone]


def test_a_child_that_reports_a_failure_is_a_death_too(outcome: dict[str, Any]) -> None:
    """SGLang's children do it by SIGQUIT; left to itself it would end the whole service."""
    assert outcome["error"] == "a process of SGLang has died"


def test_its_end_ends_its_own_processes_and_no_other_child(outcome: dict[str, Any]) -> None:
    """The service's guard is such a child."""
    assert outcome["processes"]
    eventually(
        lambda: not any(map(psutil.pid_exists, outcome["processes"])), DEADLINE, "all have ended"
    )
    assert psutil.Process(outcome["other"]).status() != psutil.STATUS_ZOMBIE
