"""Services for the tests: each backend once per session, special Echo services as asked for."""

import json
import logging
import os
import signal
import subprocess
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.quick import is_quick
from tests.service_process import (
    REPOSITORY,
    Service,
    installed_bento,
    interpreter,
    package_name,
    start_service,
    with_double,
)

MODEL = Path(os.environ.get("MODEL") or REPOSITORY / "common" / "demo_model")
BACKENDS = sorted(
    file.stem for file in (REPOSITORY / "services").glob("*.py") if not file.stem.startswith("_")
)
SETTINGS: dict[str, dict[str, Any]] = {
    # Like a model, Echo ends by itself, and takes some time per token.
    "echo": {"engine_args": {"itl": 0.002, "length": 40}},
    "mlc": {"engine_dir": REPOSITORY / "tests" / "doubles" / "mlc" / "demo_build"},
    "triton": {"engine_dir": REPOSITORY / "tests" / "doubles" / "triton" / "engine"},
}


# What a shell starts in the background ignores SIGINT, and so does what that starts: a test that
# interrupts a program would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# bentoml's own imports and decorators warn, and here every warning is an error.
with warnings.catch_warnings(action="ignore"):
    from bentoml import AsyncHTTPClient, SyncHTTPClient  # noqa: F401

    import services.echo  # noqa: F401


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that start no process")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        slow = [item for item in items if not is_quick(item.path)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if is_quick(item.path)]


def pytest_configure(config: pytest.Config) -> None:
    # bentoml's asynchronous client leaves its temporary directory to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:Implicitly cleaning up:ResourceWarning")
    # Its decorators override a pydantic method in a way that will go.
    config.addinivalue_line("filterwarnings", "ignore:The `__get_pydantic_core_schema__` method")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, what shares a service or the fixtures of a folder stays together.

    By the marks of pytest-xdist 3.8 it would not: they have no effect with pytest 9.2.
    """
    from tests.scheduling import Scheduler

    return Scheduler(config, log)


def require_backend(backend: str) -> None:
    """Skip, or fail where all backends have to be tested, when the engine is not installed."""
    package = package_name(backend)
    if package is None:
        return
    code = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec({package!r}))"
    environment = with_double({**os.environ}, backend)
    if subprocess.run([interpreter(backend), "-c", code], env=environment).returncode == 0:
        return
    message = (
        f"{package} is not installed: python -m venv .venv-{backend} && "
        f".venv-{backend}/bin/pip install '.[{backend}]'"
    )
    if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
        pytest.fail(message)
    pytest.skip(message)


BENTO = installed_bento()


@pytest.fixture(scope="session", params=[BENTO.backend] if BENTO else BACKENDS)
def backend_service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One service per backend, started when its first test runs."""
    backend: str = request.param
    if BENTO is None:
        require_backend(backend)
    with start_service(backend, bento=BENTO, **SETTINGS.get(backend, {})) as service:
        yield service


@pytest.fixture(autouse=True)
def _logs_reach_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML, once it has configured its logger, keeps its records from all others."""
    monkeypatch.setattr(logging.getLogger("bentoml"), "propagate", True)


class EchoFactory(Protocol):
    """Start an Echo with these settings, or give the one that was started so before."""

    def __call__(self, *, wait: bool = True, **settings: Any) -> Service: ...


@pytest.fixture(scope="session")
def echo_service() -> Iterator[EchoFactory]:
    started: dict[str, Service] = {}

    def get(*, wait: bool = True, **settings: Any) -> Service:
        key = json.dumps(settings, sort_keys=True)
        if key not in started:
            started[key] = start_service("echo", wait=wait, **settings)
        return started[key]

    yield get
    with ThreadPoolExecutor() as pool:
        list(pool.map(Service.stop, started.values()))


@pytest.fixture
def fresh_echo_service() -> Iterator[EchoFactory]:
    """For a test that breaks its service or asks for an exact state."""
    started: list[Service] = []

    def start(*, wait: bool = True, **settings: Any) -> Service:
        started.append(start_service("echo", wait=wait, **settings))
        return started[-1]

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="session")
def questions() -> dict[str, list[dict[str, Any]]]:
    """What the demo model knows, by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (MODEL / "questions.jsonl").read_text("utf-8").splitlines():
        question = json.loads(line)
        found.setdefault(question["kind"], []).append(question)
    return found
