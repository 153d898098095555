"""A short load by the project's own client ends without an error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import files
from benchmarks.results.schema import FAILED
from tests.real.marks import real
from tests.service_process import REPOSITORY, Service

pytestmark = real()
LOAD = ("--users", "8", "--duration", "20", "--warmup", "8", "--max-tokens", "64", "--ignore-eos")


def test_eight_users_get_all_their_answers(
    real_service: Service, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    command = [sys.executable, "-m", "benchmarks.load", real_service.url, *LOAD]
    done = subprocess.run(
        [*command, "--out", tmp_path], cwd=REPOSITORY, capture_output=True, text=True
    )
    print(done.stdout)
    assert (tmp_path / files.RESULT).exists(), done.stderr
    result = files.read(tmp_path)
    phase = result.plateau
    assert not {kind: count for kind, count in phase.outcomes.items() if kind in FAILED}
    assert phase.output_tokens > 0
    record_testsuite_property("users", 8)
    record_testsuite_property("tokens/s", f"{phase.tokens_per_second:.0f}")
    if phase.ttft is not None:
        record_testsuite_property("first token, ms, median", f"{1000 * phase.ttft.p50:.0f}")
