"""What a service that must not start says."""

from typing import Any

from tests.service_process import START_DEADLINE, start_service


def refusal(**settings: Any) -> str:
    """The one line of its error."""
    service = start_service("sglang", wait=False, **settings)
    try:
        assert service.process.wait(START_DEADLINE) == 1
    finally:
        service.stop()
    (line,) = (line for line in service.log_text().splitlines() if line.startswith("error: "))
    return line
