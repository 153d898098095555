"""Each client can with each backend what is said of it, and no more."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.clients.clients import CLIENTS, Client, gap
from tests.clients.running import Outcome, run_client
from tests.conftest import EchoFactory
from tests.service_process import Service

AT_ONCE = 4
ANSWERED = r"The capital of France is Paris\."
ECHOED = r"(?s).*What is the capital of France\?.*"
COUNTED = r"4 of 4 answers|Tokens: \S+ sent, \S+ received\."
"""What comes from clients that show numbers."""
RIGHT = {
    "tools": r"It is 18 degrees in Lima\.|\W*city\W+Lima\W*",
    "forced": r"\W*city\W+Lima\W*",
    "schema": r"\W*country\W+France\W+capital\W+Paris\W*",
    "error": r"(?s).*(temperature|logit_bias).*",
}
"""What comes from the demo model, whatever a client makes of the shape."""

Outcomes = dict[str, Future[dict[str, Outcome]]]
CELLS = [(client, capability) for client in CLIENTS for capability in client.has]
BACKENDS = sorted({backend for client in CLIENTS for backend in client.backends})


@pytest.fixture(scope="session")
def outcomes(
    backend_service: Service,
    echo_service: EchoFactory,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Outcomes]:
    """Run every client of the chosen tests with this backend, some at once."""
    backend = backend_service.backend
    names = [item.name for item in request.session.items]
    model = backend_service.http.get("/v1/models").json()["data"][0]["id"]
    running: Outcomes = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for client in CLIENTS:
            if backend in client.backends and any(
                f"[{backend}-{client}-" in name for name in names
            ):
                in_browser = client.environment == "browser"
                service = echo_service(cors_origins="*") if in_browser else backend_service
                folder = tmp_path_factory.mktemp(client.id)
                running[client.id] = pool.submit(run_client, client, service.url, model, folder)
        yield running


def works(outcome: Outcome, capability: str, backend: str) -> bool:
    answered = ECHOED if backend == "echo" else ANSWERED
    pattern = RIGHT.get(capability, f"{answered}|{COUNTED}")
    return outcome.ok and re.fullmatch(pattern, outcome.detail.strip()) is not None


# Were both one list, pytest would start the service, and all clients, anew for each of its entries.
@pytest.mark.parametrize(("client", "capability"), CELLS, ids=str)
@pytest.mark.parametrize("backend_service", BACKENDS, indirect=True)
def test_a_client_can_what_is_said_of_it(
    backend_service: Service, outcomes: Outcomes, client: Client, capability: str
) -> None:
    if backend_service.backend not in client.backends:
        pytest.skip(f"to save time it is asked with {' and '.join(client.backends)} alone")
    outcome = outcomes[client.id].result()[capability]
    declared = gap(client, capability, backend_service.backend)
    assert works(outcome, capability, backend_service.backend) is (declared is None), outcome
    if declared is not None:
        assert re.search(declared.sign, outcome.detail), (declared, outcome)
