"""What the tests start ends with them."""

import signal
import subprocess
import sys
from contextlib import suppress

import psutil

from common.processes.descendants import is_alive
from tests.limits import DEADLINE
from tests.service_process import REPOSITORY, eventually

KILLED = """
import os, signal, subprocess
from tests.service_process import end_with_tests
service = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
end_with_tests(service.pid)
print(service.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_service_ends_with_the_tests_that_are_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == -signal.SIGKILL
    with suppress(psutil.NoSuchProcess):
        service = psutil.Process(int(done.stdout))
        eventually(lambda: not is_alive(service), DEADLINE, "it has ended")
