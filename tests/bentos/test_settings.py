"""What is baked into a bento: checked before anything is built, shown, and never a secret."""

import signal
import time
from pathlib import Path

import pytest

from common.models.model import DEMO_MODEL
from tests.bentos.support import Store, info
from tests.limits import BUILD_DEADLINE

TOKEN = "hf_" + "a1B2c3D4e5F6g7H8"
REFUSED = [
    (["ecco"], "no backend 'ecco'; there are: echo, "),
    (["echo", "--cpu"], "echo has no bento of its own for 'cpu'; there is one for: vllm"),
    (["echo", "--args", "x=1"], "unrecognized arguments: --args x=1"),
    (["echo", "--arg", "seed"], "--arg 'seed': allowed is name=value"),
    (["vllm", "--arg", "modle=x"], "unknown setting 'modle' (did you mean 'model'?); allowed"),
    (["vllm", "--arg", "max_model_len=1"], "setting 'max_model_len': input should be greater"),
    (["vllm", "--arg", "max_model_len=99999"], "setting 'max_model_len': 99999 is more than"),
    (["echo", "--arg", "dtype=float16"], "setting 'dtype' has no effect with Echo: "),
    (["echo", "--arg", "api_keys=k1"], "setting 'api_keys' is a secret and cannot be baked in"),
    (["vllm", "--arg", 'engine_args={"hf_token":"x"}'], "setting 'engine_args' (hf_token) is"),
    (["vllm", "--arg", f"system_prompt=my {TOKEN}"], "setting 'system_prompt' holds a token"),
    (["tgi", "--arg", "engine_url=http://me:word@host"], "setting 'engine_url' holds a passw"),
    (["vllm", "--arg", "model=gone:1"], "setting 'model': no model 'gone:1' in "),
    (["mlc", "--arg", "engine_dir=gone:1"], "setting 'engine_dir': no model 'gone:1' in "),
    (["mlc", "--arg", "engine_dir=/tmp"], "setting 'engine_dir': '/tmp' does not travel in"),
    (["vllm", "--arg", f"model={DEMO_MODEL}"], f"setting 'model': '{DEMO_MODEL}' does not tr"),
    (
        ["vllm", "--arg", "speculative=draft:gone:1:4"],
        "setting 'speculative': no model 'gone:1' in ",
    ),
    (["vllm", "--arg", "speculative=draft:/tmp:4"], "setting 'speculative': '/tmp' does not tra"),
    (["vllm", "--arg", "adapters=a=gone:1"], "setting 'adapters': no model 'gone:1' in "),
    (["vllm", "--arg", "adapters=a=/tmp"], "setting 'adapters': '/tmp' does not travel in a b"),
    (["vllm", "--arg", "chat_template=x.jinja"], "setting 'chat_template': a file of this ma"),
    (["echo", "--version", "latest"], "--version latest: so the newest is called; give"),
    (["echo", "--version", "no version"], "llm-echo cannot be built: "),
]


def test_settings_are_baked_and_shown_in_labels(baked: dict[str, Path]) -> None:
    bento = info(baked["a hub id"])
    assert bento["args"] == {"model": "org/name", "max_model_len": "512"}
    labels = bento["labels"]
    assert (labels["model"], labels["max_model_len"]) == ("org_name", "512")
    assert labels["backend"] == "vllm"


def test_a_model_of_the_store_and_its_adapter_travel_at_their_exact_versions(
    baked: dict[str, Path],
) -> None:
    bento = info(baked["a newest model"])
    assert bento["args"]["model"] == "small:one"
    assert bento["args"]["adapters"] == "mine=terse:one"
    assert sorted(model["tag"] for model in bento["models"]) == ["small:one", "terse:one"]
    assert bento["labels"]["model"] == "small_one"


def test_what_was_compiled_has_no_label_of_the_demo_model(baked: dict[str, Path]) -> None:
    labels = info(baked["a compiled engine"])["labels"]
    assert labels["engine_dir"] == "lib_one"
    assert "model" not in labels


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Returns the line with which each of REFUSED ends."""
    lines = Store(tmp_path_factory.mktemp("refused")).refusals(*(words for words, _ in REFUSED))
    return {reason: line for (_, reason), line in zip(REFUSED, lines, strict=True)}


@pytest.mark.parametrize("reason", [reason for _, reason in REFUSED])
def test_what_cannot_be_served_is_refused(refusals: dict[str, str], reason: str) -> None:
    line = refusals[reason]
    assert line.startswith(reason)
    assert TOKEN not in line
    assert "word" not in line.removeprefix(reason).partition("holds a password")[0]


def test_models_of_the_store_that_cannot_be_served(store: Store, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    store.put_models({"small:one": DEMO_MODEL, "void:one": empty})
    missing, void = store.refusals(
        ["echo", "--arg", "model=small:two"], ["echo", "--arg", "model=void:one"]
    )
    assert missing.endswith("there are: small:one, void:one")
    assert "config.json" in void


def test_a_version_is_built_once(store: Store) -> None:
    command = ["echo", "--version", "one"]
    (first, _, _), (status, _, error) = store.run_all(command, command)
    assert (first, status) == (0, 1)
    expected = "error: llm-echo:one is in the store; delete it, or give another version\n"
    assert error == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_ended_leaves_no_tag(store: Store, number: signal.Signals) -> None:
    process = store.start("echo")
    while process.poll() is None and not list(store.home.glob("tmp/build-*/*/env")):
        time.sleep(0.001)
    process.send_signal(number)
    process.communicate(timeout=BUILD_DEADLINE)
    if process.returncode != 0:
        assert list(store.home.glob("bentos/*/*")) == []
        if number == signal.SIGTERM:
            assert store.left() == []
    store.build("echo")
