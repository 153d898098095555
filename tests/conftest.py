"""Services for the tests: each backend once per session, special Echo services as asked for."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.quick import is_quick
from tests.scheduling import scheduler, turn
from tests.service_process import (
    REAL,
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
PROOFS = REPOSITORY / "tests" / "real"
DOUBLES = REPOSITORY / "tests" / "doubles"
SETTINGS: dict[str, dict[str, Any]] = {
    # Like a model, Echo ends by itself, and takes some time per token.
    "echo": {"engine_args": {"itl": 0.002, "length": 40}},
    # TurboMind, its other engine, is compiled for CUDA: tests/lmdeploy/test_turbomind_contract.py.
    **({"lmdeploy": {"engine_args": {"backend": "pytorch"}}} if REAL is None else {}),
    **{
        backend: {"engine_dir": DOUBLES / backend / build if REAL is None else "auto"}
        for backend, build in (("mlc", "demo_build"), ("triton", "engine"))
    },
}
STALL_TIMEOUT = 15
"""Seconds, so that the tests of hung engines end soon."""
ADAPTERS = {name: REPOSITORY / "tests" / "adapters" / name for name in ("terse", "pirate")}
"""Of the demo model, made by build_scripts/demo_adapters.py."""


def has_adapters(backend: str) -> bool:
    """Returns whether the engine that the tests run takes adapters: some need a GPU for it."""
    if "adapters" in load(backend)[1].unsupported_settings or "MODEL" in os.environ:
        return False
    return backend not in ("sglang", "lmdeploy", "tgi") or shutil.which("nvidia-smi") is not None


def adapter_settings(backend: str) -> dict[str, Any]:
    """Returns the settings with which a shared service has adapters, where its engine has some."""
    if not has_adapters(backend):
        return {}
    given = {"adapters": ",".join(f"{name}={path}" for name, path in ADAPTERS.items())}
    if "adapter_loading" not in load(backend)[1].unsupported_settings:
        given["adapter_loading"] = str(REPOSITORY / "tests" / "adapters")
    return given


# Where it is set, as in images of Python, each process would compile anew all that is not there.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a shell starts in the background ignores SIGINT, and so does what that starts: a test that
# interrupts a program would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where other tests have the processors, threads that wait for one another take ten times as long as
# one alone. All engines and tools inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# bentoml's own imports and decorators warn, and here every warning is an error.
with warnings.catch_warnings(action="ignore"):
    from bentoml import AsyncHTTPClient, SyncHTTPClient  # noqa: F401

    import services.echo  # noqa: F401
    from services._backends import load


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that start no process")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was asked for, and let what takes longest come first."""
    kept = list(filter(is_asked_for(config), items))
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = sorted(kept, key=lambda item: turn(item.nodeid))


def is_asked_for(config: pytest.Config) -> Callable[[pytest.Item], bool]:
    """Returns whether a test is; over a bento from the store, or over one real engine, only those
    that are asked of it."""
    if BENTO is not None or REAL is not None:
        return lambda item: item.path.is_relative_to(PROOFS) or "backend_service" in fixtures(item)
    if config.getoption("--quick"):
        return lambda item: is_quick(item.path)
    return lambda item: True


def fixtures(item: pytest.Item) -> Sequence[str]:
    """Returns the names of the fixtures that a test takes."""
    return tuple(getattr(item, "fixturenames", ()))


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
    return scheduler(config, log)


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


@pytest.fixture(scope="session", params=[BENTO.backend] if BENTO else [REAL] if REAL else BACKENDS)
def backend_service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One service per backend, started when its first test runs."""
    backend: str = request.param
    if BENTO is None:
        require_backend(backend)
    settings = {**SETTINGS.get(backend, {}), **adapter_settings(backend)}
    settings["stall_timeout"] = STALL_TIMEOUT
    with start_service(backend, bento=BENTO, **settings) as service:
        yield service


@pytest.fixture(autouse=True)
def _logs_reach_the_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """BentoML, once it has configured its logger, keeps its records from all others."""
    logger = logging.getLogger("bentoml")
    monkeypatch.setattr(logger, "propagate", True)
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


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
