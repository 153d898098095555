"""Built without a network, an engine or a GPU, a bento holds what it needs and nothing else."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from build_scripts.bentos.table import ROOT, Bento, bento
from tests.bentos.conftest import BENTOS, Built
from tests.bentos.support import Store, checkout, info, tracked
from tests.service_process import REPOSITORY

FROM_BENTOML = {
    "README.md", "bento.yaml", "apis/openapi.yaml", "apis/schema.json", "env/docker/Dockerfile",
    "env/docker/entrypoint.sh", "env/docker/script", "env/python/requirements.in",
    "env/python/requirements.txt", "src/bentofile.yaml",
}  # fmt: skip
IMPORT_EACH = """
import importlib, json, os, sys
sources = json.load(sys.stdin)
backend, source = next(iter(sources.values()))
sys.path.insert(0, source)
importlib.import_module(f"services.{backend}")
sys.path.remove(source)
for module in [*sys.modules]:
    if module.partition(".")[0] in ("common", "services"):
        del sys.modules[module]
files = {}
for name, (backend, source) in sources.items():
    reader, writer = os.pipe()
    if os.fork() == 0:
        sys.path.insert(0, source)
        os.write(writer, importlib.import_module(f"services.{backend}").__file__.encode())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0, name
    files[name] = os.read(reader, 4096).decode()
json.dump(files, sys.stdout)
"""
"""Imports each adapter in a process of its own that has all packages already, but not our code."""
FOR_TESTS = "common/demo_model/questions.jsonl"


def contents(place: Path) -> set[str]:
    names = (str(file.relative_to(place)) for file in place.rglob("*") if file.is_file())
    return {re.sub(r"(?<=env/docker/script)__\w+$", "", name) for name in names}


def own_files(backend: str) -> set[str]:
    names = [f"services/{backend}.py", f"services/_{backend}/"]
    shared = {
        "_compiled/": ("mlc", "tensorrt_llm", "triton"),
        "_triton/quantization.toml": ("mlc", "tensorrt_llm", "triton"),
        "_vllm/": ("ray_serve",),
        "_xgrammar/": ("lmdeploy", "ray_serve", "sglang", "tensorrt_llm", "vllm"),
    }
    names += [f"services/{path}" for path, backends in shared.items() if backend in backends]
    return tracked("LICENSE", "common/", "services/__init__.py", *names)


def test_it_has_the_shared_code_its_adapter_and_its_data(bento: Bento, built: Built) -> None:
    sources = {f"src/{name}" for name in own_files(bento.backend) - {FOR_TESTS}}
    assert contents(built(bento)) == FROM_BENTOML | sources


def test_the_code_of_each_is_whole(built: Built, tmp_path: Path) -> None:
    """Without this repository, and before the engine is imported."""
    sources = {bento.name: [bento.backend, str(built(bento) / "src")] for bento in BENTOS}
    done = subprocess.run(
        [sys.executable, "-B", "-P", "-W", "ignore", "-c", IMPORT_EACH],
        input=json.dumps(sources),
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)
    assert files == {
        name: f"{source}/services/{backend}.py" for name, (backend, source) in sources.items()
    }


def test_nothing_in_it_tells_of_the_machine(bento: Bento, built: Built) -> None:
    places = [REPOSITORY, checkout(), built(bento), f"{Path.home()}/"]
    told = [*map(str, places), socket.gethostname()]
    for file in built(bento).rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found = [word for word in told if len(word) > 6 and word.encode() in content]
            assert not found, file


def test_it_requires_the_pins_and_the_bentoml_that_built_it(bento: Bento, built: Built) -> None:
    pins = (ROOT / bento.file("requirements.txt")).read_text("utf-8").splitlines()
    required = (built(bento) / "env" / "python" / "requirements.txt").read_text("utf-8")
    lines = [line for line in required.splitlines() if line and not line.startswith("#")]
    finds = [f"--find-links {page}" for page in bento.packaging.find_links]
    wanted = [line for line in pins if line and not line.startswith("#")]
    assert sorted(lines) == sorted([*finds, *wanted, "bentoml==1.4.40"])


def test_its_labels_tell_the_backend_the_version_and_the_model(bento: Bento, built: Built) -> None:
    labels = info(built(bento))["labels"]
    assert labels["backend"] == bento.backend
    assert labels["engine_version"] == bento.release
    assert labels["model"] == "demo"


def test_the_command_that_bentoml_knows_builds_the_same(store: Store, built: Built) -> None:
    """`bentoml build -f`, where the root has a bentofile.yaml and a pyproject.toml, too."""
    command = [str(Path(sys.executable).with_name("bentoml")), "build"]
    environment = {**os.environ, "BENTOML_HOME": str(store.home), "BENTOML_DO_NOT_TRACK": "True"}
    for options, name in ((["-f", "bentos/tgi/bentofile.yaml"], "tgi"), ([], "vllm")):
        done = subprocess.run(
            [*command, *options],
            cwd=checkout(),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (place,) = store.home.glob(f"bentos/{bento(name).name}/*/")
        assert contents(place) == contents(built(bento(name)))


def test_sizes_are_listed(shared_store: Store, built: Built) -> None:
    directory = built(bento("echo"))
    command = [sys.executable, "-W", "ignore", "-m", "build_scripts.bentos", "--sizes"]
    environment = {**os.environ, "BENTOML_HOME": str(shared_store.home)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    (row,) = (line for line in done.stdout.splitlines() if directory.name in line)
    total = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
    assert row.endswith(f"  {total / 1e6:.1f} MB")
