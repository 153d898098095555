"""The same inputs are built once, into the BentoML model store, with a record of everything."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.models.artifacts.fingerprint import fingerprint
from common.models.model import DEMO_MODEL
from tests.builder.support import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


def test_the_same_inputs_are_built_once(home: Home) -> None:
    first = home.build("--text", "once")
    again = home.run("--text", "once")
    assert f"{first.tag} is there already: {first.path}" in again
    assert "write the result" not in again


def test_every_input_has_a_tag_of_its_own(home: Home, tmp_path: Path) -> None:
    model = tmp_path / "demo"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).write_bytes((DEMO_MODEL / name).read_bytes())
    other = [("--text", "x"), ("--tool-version", "2"), ("--model", str(model))]
    tags = {home.build(*arguments).tag for arguments in ((), *other)}
    assert len(tags) == 4
    assert {tag.partition(":")[0] for tag in tags} == {"demo-none-toy"}


def test_the_record_says_what_it_was_made_from_and_how_to_make_it_again(home: Home) -> None:
    artifact = home.build("--text", "three short words")
    manifest = artifact.manifest
    assert manifest.command == "python -m tests.builder.toy --text 'three short words'"
    assert (manifest.kind, manifest.scheme, manifest.model) == ("toy", "none", "demo")
    assert manifest.fingerprint == fingerprint(DEMO_MODEL)
    assert manifest.arguments == {"text": "three short words"}
    assert manifest.tools == {"toy": "1"}
    assert manifest.results == {"words": 3}
    assert manifest.gpu is None
    assert manifest.created.endswith("+00:00")
    content = (artifact.path / "result").read_bytes()
    assert content == b"three short words"
    assert manifest.files["result"] == (hashlib.sha256(content).hexdigest(), len(content))


def test_bentoml_knows_what_was_built(home: Home) -> None:
    artifact = home.build("--text", "known")
    script = f"import bentoml; print(bentoml.models.get('{artifact.tag}').info.labels['kind'])"
    environment = {**os.environ, "BENTOML_HOME": str(home.path)}
    command = [sys.executable, "-W", "ignore", "-c", script]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "toy"
    bentoml = [str(Path(sys.executable).with_name("bentoml")), "models", "list"]
    listed = subprocess.run(bentoml, env=environment, capture_output=True, text=True, check=True)
    assert artifact.tag.split(":")[1] in listed.stdout


def test_again_builds_what_is_there(home: Home) -> None:
    first = home.build("--text", "again")
    assert "write the result" in home.run("--text", "again", "--again")
    assert home.build("--text", "again").path == first.path


def test_what_is_not_whole_is_built_again(home: Home) -> None:
    artifact = home.build("--text", "will be cut")
    (artifact.path / "result").write_text("cut")
    assert "write the result" in home.run("--text", "will be cut")
    assert (artifact.path / "result").read_text() == "will be cut"


def test_a_dry_run_shows_the_commands_and_runs_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    shown = home.run("--dry-run")
    assert "toy_tool.py --config" in shown
    assert "--output OUTPUT/result" in shown
    assert "result: demo-none-toy:" in shown
    assert home.left() == []
    tag = home.build().tag
    assert f"result: {tag} (is there already)" in home.run("--dry-run")


def test_a_fingerprint_follows_configuration_and_weights_and_nothing_else(tmp_path: Path) -> None:
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    config.write_text("{}")
    content = bytearray(os.urandom(3_000_000))
    weights.write_bytes(content)
    known = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert fingerprint(tmp_path) == known
    content[1_000_000:1_300_000] = os.urandom(300_000)
    weights.write_bytes(content)
    changed = fingerprint(tmp_path)
    assert changed != known
    config.write_text("{ }")
    assert fingerprint(tmp_path) not in (known, changed)
