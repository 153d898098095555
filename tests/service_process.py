"""A service as a user starts it: the bentoml command line in its own processes."""

import contextlib
import json
import os
import re
import secrets
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

REPOSITORY = Path(__file__).parents[1]
NVML = REPOSITORY / "tests" / "doubles" / "nvml"
"""The double of nvidia-ml-py."""
END_SERVICES = REPOSITORY / "tests" / "end_services.py"
STOP_DEADLINE = 30.0
REAL = os.environ.get("LLM_TEST_REAL")
"""The one backend that the suite runs over as this machine has it, without a double."""
REAL_PYTHON = os.environ.get("LLM_TEST_PYTHON")
"""The interpreter that has its engine."""
START_DEADLINE = 900.0 if REAL is None else 1800.0
"""Seconds: an engine that compiles at its first start needs many minutes where others run, too,
and what a proof starts may take as long as the setting `start_timeout` allows by itself."""
INTERVAL = 0.02
"""Seconds between two looks at what is awaited: each takes time from what it waits for."""
LATE = 0.02
"""Or this fraction of the time since the first look, where that is longer."""


def eventually(check: Callable[[], bool], seconds: float, what: str) -> None:
    """Return as soon as `check` is true; fail when it does not become true in time."""
    begun = time.monotonic()
    while not check():
        waited = time.monotonic() - begun
        if waited > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(max(INTERVAL, waited * LATE))


def service_name(backend: str) -> str:
    """The variable at the end of services/<backend>.py; importing it would need its engine."""
    source = (REPOSITORY / "services" / f"{backend}.py").read_text("utf-8")
    (name,) = re.findall(r"^(\w+) = llm_service\(", source, re.MULTILINE)
    return str(name)


def package_name(backend: str) -> str | None:
    """The engine's package as its adapter names it, None where there is none to install."""
    source = (REPOSITORY / "services" / f"{backend}.py").read_text("utf-8")
    found = re.search(r'^    package = "(\w+)"$', source, re.MULTILINE)
    return found[1] if found else None


def loads_weights(backend: str) -> bool:
    """Whether a model answers."""
    source = (REPOSITORY / "services" / f"{backend}.py").read_text("utf-8")
    return "\n    loads_weights = False\n" not in source


def adds_metrics(backend: str) -> bool:
    """Whether /metrics has a page of the engine's own after ours."""
    source = (REPOSITORY / "services" / f"{backend}.py").read_text("utf-8")
    return "\n    async def metrics(" in source


def double(backend: str) -> Path | None:
    """The folder that stands in for an engine's package, where the engine cannot run."""
    folder = REPOSITORY / "tests" / "doubles" / backend
    return folder if REAL is None and folder.is_dir() else None


def device(backend: str) -> Path | None:
    """The folder that lets an engine's own package run on a CPU, where it asks for a GPU."""
    folder = REPOSITORY / "tests" / "devices" / backend
    return folder if REAL is None and folder.is_dir() else None


def with_double(environment: dict[str, str], backend: str) -> dict[str, str]:
    """Its modules are found before installed ones, and its programs before others; it sees the GPUs
    of its file `gpus`."""
    folder = double(backend) or device(backend)
    if folder is None:
        return environment
    given = environment.get("PYTHONPATH")
    python_path = os.pathsep.join(filter(None, [str(folder), str(NVML), given]))
    path = os.pathsep.join([str(folder / "bin"), environment.get("PATH", os.defpath)])
    gpus = (folder / "gpus").read_text().strip() if (folder / "gpus").exists() else ""
    return {"DOUBLE_GPUS": gpus, **environment, "PYTHONPATH": python_path, "PATH": path}


def interpreter(backend: str) -> Path:
    """The Python that has the engine: of the backend's own environment, else the running one.

    One that can run on a CPU in tests only has a name that is no backend's.
    """
    if backend == REAL and REAL_PYTHON is not None:
        return Path(REAL_PYTHON)
    name = backend if device(backend) is None else f"{backend}_cpu"
    own = REPOSITORY / f".venv-{name}" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """Returns settings as variables of the environment; dicts become JSON."""
    return {
        name.upper(): json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in settings.items()
    }


@cache
def _ender() -> subprocess.Popen[bytes]:
    """Returns the process that reads the ids of what has to end with this one."""
    command: list[str | Path] = [sys.executable, END_SERVICES]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def end_with_tests(process: int) -> None:
    """Has the process end when this one does, even by SIGKILL."""
    ids = _ender().stdin
    assert ids is not None
    ids.write(b"%d\n" % process)
    ids.flush()


@dataclass(frozen=True)
class Installed:
    """A bento in the store of `home`, with the Python that has what it requires."""

    backend: str
    tag: str
    home: Path
    python: Path


def free_port() -> int:
    """One that the system hands out to nobody by itself, before the service takes it.

    Linux does so from 32768 on, and Ray's workers take those under 20000.
    """
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def installed_bento() -> Installed | None:
    """What the suite runs over instead of services/: LLM_TEST_BENTO, a JSON object."""
    given = os.environ.get("LLM_TEST_BENTO")
    if given is None:
        return None
    values = json.loads(given)
    home, python = Path(values.pop("home")), Path(values.pop("python"))
    return Installed(**values, home=home, python=python)


@dataclass
class Service:
    """A started service. `http` is a client of it."""

    backend: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    tls: ssl.SSLContext | None = None
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=120, verify=self.tls or True)

    def __enter__(self) -> "Service":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def worker(self) -> psutil.Process:
        """The process that serves; its parent is bentoml's supervisor."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if "_bentoml_impl.worker" in str(child.cmdline()))

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """SIGTERM to the supervisor, as an operator does; SIGKILL to all if that is not enough."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"did not stop; log:\n{self._log_tail()}") from None

    def wait_ready(self, seconds: float = START_DEADLINE) -> None:
        def check() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"exit code {self.process.returncode}")
            return self.is_ready()

        try:
            eventually(check, seconds, f"{self.backend} is ready")
        except BaseException as error:
            self.stop()
            command = shlex.join(map(str, self.process.args))  # type: ignore[arg-type]
            raise AssertionError(f"{error}: {command}; log:\n{self._log_tail()}") from None

    def _log_tail(self) -> str:
        return "\n".join(self.log_text().splitlines()[-40:])


def _spawn(
    command: list[str | Path], root: Path, environment: dict[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end_with_tests(process.pid)
    return process


def start_service(
    backend: str,
    *,
    wait: bool = True,
    doubled: bool = True,
    own_environment: bool = True,
    arguments: tuple[str, ...] = (),
    bento: Installed | None = None,
    certificate: Path | None = None,
    folder: Path | None = None,
    port: int | None = None,
    **settings: Any,
) -> Service:
    """Settings go by their names, in lower case. `arguments` are name=value.

    With `doubled` false an engine's double stays away; with `own_environment` false so does the
    engine's own environment. A `bento` is served from its store, away from this repository. With a
    `certificate`, which has its key in the same file, it is served over TLS. `folder` has the log.
    """
    directory = folder or Path(tempfile.mkdtemp(prefix=f"serve-{backend}-"))
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True"}
    if REAL is None:
        environment["BENTOML_HOME"] = str(directory if bento is None else bento.home)
    if doubled and bento is None:
        environment = with_double(environment, backend)
    environment |= variables(settings)
    port = port or free_port()
    if bento is not None:
        python, target, root = bento.python, bento.tag, bento.home
    else:
        python = interpreter(backend) if own_environment else Path(sys.executable)
        target, root = f"services.{backend}:{service_name(backend)}", REPOSITORY
    options = [part for argument in arguments for part in ("--arg", argument)]
    options += [] if certificate is None else ["--ssl-certfile", str(certificate)]
    log = directory / "log"
    bentoml = python.with_name("bentoml")
    command: list[str | Path] = [bentoml, "serve", target, "--port", str(port), *options]
    process = _spawn(command, root, environment, log)
    tls = None if certificate is None else ssl.create_default_context(cafile=certificate)
    url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    service = Service(backend, url, process, log, tls)
    if wait:
        service.wait_ready()
    return service
