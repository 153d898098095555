"""Models of the hub: their headers are read, their weights stay there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.configs import AWQ, family
from tests.models.files import write_header
from tests.plan.hub import Hub, serving
from tests.refusals import refusal
from tests.service_process import REPOSITORY

WEIGHTS = 4_000_000
NORM = {"model.norm.weight": ("BF16", (1024, 1024))}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    file = tmp_path_factory.mktemp("hub") / "model.safetensors"
    write_header(file, NORM)
    config = json.dumps(family("llama")).encode()
    weights = file.read_bytes() + bytes(WEIGHTS)
    quantized = json.dumps(family("llama") | {"head_dim": 64, "quantization_config": AWQ}).encode()
    large = json.dumps(family("llama") | {"hidden_size": 2**20, "vocab_size": 2**20}).encode()
    files = {
        "org/tiny": {"config.json": config, "model.safetensors": weights},
        "org/only-config": {"config.json": config},
        "org/awq": {"config.json": quantized},
        "org/nothing": {"README.md": b""},
        "org/large": {"config.json": large},
    }
    with serving(Hub(files, gated=("org/gated",))) as found:
        yield found


def environment(hub: Hub, cache: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}


def run(hub: Hub, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "common.plan", "--backend", "vllm", "--gpu", "l4"]
    return subprocess.run(
        [*command, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment(hub, cache)},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_only_the_header_is_fetched(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, tmp_path, "--model", "org/tiny", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["weight_bytes"] == 1024 * 1024 * 2
    assert 0 < hub.sent["model.safetensors"] < WEIGHTS / 10


def test_without_safetensors_the_config_is_counted(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, tmp_path, "--model", "org/only-config", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["scheme"] == "none"


def test_a_quantized_model_is_recognized(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, tmp_path, "--model", "org/awq", "--json")
    assert json.loads(done.stdout)[0]["scheme"] == "awq", done.stderr


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("org/gated", "the hub refused 'org/gated'"),
        ("org/missing", "the hub refused 'org/missing'"),
        ("org/nothing", "'org/nothing' has no config.json on the hub"),
        ("org/--", "'org/--' is no hub id"),
    ],
)
def test_what_the_hub_does_not_give_is_one_line(
    hub: Hub, tmp_path: Path, model: str, expected: str
) -> None:
    done = run(hub, tmp_path, "--model", model)
    assert done.returncode == 1
    assert done.stdout == ""
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_hub_that_cannot_be_reached_is_one_line(hub: Hub, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "common.plan", "--model", "org/tiny"]
    offline = {**os.environ, **environment(hub, tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=offline, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "the hub cannot be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_service_stops_before_a_model_that_is_too_large_is_fetched(
    hub: Hub, tmp_path: Path
) -> None:
    line = refusal(
        "transformers",
        model="org/large",
        hf_endpoint=hub.url,
        hf_hub_cache=tmp_path,
        hf_hub_disable_xet=1,
    )
    assert "org/large does not fit on" in line
    assert "config.json" in hub.sent
