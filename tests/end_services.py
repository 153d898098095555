"""Ends services after the tests that started them, however those have ended: by SIGKILL, too.

Each line of standard input is a process id; its end is the end of the tests.
"""

import sys
from contextlib import suppress

import psutil

SECONDS = 30.0
"""Between SIGTERM and SIGKILL."""


def main() -> None:
    services = []
    for line in sys.stdin:
        with suppress(psutil.NoSuchProcess):
            services.append(psutil.Process(int(line)))
    for service in services:
        with suppress(psutil.Error):
            service.terminate()
    for service in psutil.wait_procs(services, SECONDS)[1]:
        with suppress(psutil.Error):
            service.kill()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
