"""A build that cannot be, fails or is interrupted leaves nothing that a service would load."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builder.support import Home, gone, tool_of
from tests.service_process import eventually

SECONDS = 20.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_what_cannot_be_built_is_one_line(home: Home) -> None:
    assert "'refused' cannot be built; allowed is anything else" in home.refusal(
        "--text", "refused"
    )
    assert home.left() == []


@pytest.mark.parametrize(
    ("trouble", "told"),
    [("halfway", "something broke halfway"), ("disk", "No space left on device")],
)
def test_a_tool_that_fails_is_told_with_its_last_line_and_the_log(
    home: Home, trouble: str, told: str
) -> None:
    home.trouble = f"toy={trouble}"
    line = home.refusal()
    assert line.startswith("error: write the result failed: ")
    assert told in line
    log = re.search(r"the log is (.+)$", line)
    assert log is not None
    assert told in Path(log[1]).read_text()
    assert home.left() == []
    home.trouble = ""
    assert home.build().manifest.results == {"words": 2}


def test_a_tool_that_writes_nothing_and_says_that_all_is_well_has_failed(home: Home) -> None:
    home.trouble = "toy=nothing"
    assert "the tool wrote no result" in home.refusal()
    assert home.left() == []


def test_too_little_disk_is_told_before_anything_runs(home: Home) -> None:
    line = home.refusal("--bytes", str(10**18))
    assert "this build needs up to 1050000000.0 GB" in line
    assert "BENTOML_HOME" in line
    assert home.left() == []


@pytest.mark.parametrize("model", ["./nowhere", "."])
def test_a_model_that_is_none_is_one_line(home: Home, model: str) -> None:
    assert re.search("no directory './nowhere'|has no config.json", home.refusal("--model", model))


def test_a_build_for_one_gpu_without_a_gpu_is_one_line(home: Home) -> None:
    assert "there is no GPU here" in home.refusal("--for-gpu")


@pytest.fixture
def stuck(home: Home) -> Iterator[subprocess.Popen[str]]:
    """A builder whose tool has written half of its result and works on."""
    home.trouble = "toy=hang"
    with home.start() as builder:
        yield builder
        builder.kill()
    home.trouble = ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_ends_its_tool_and_leaves_nothing(
    home: Home, stuck: subprocess.Popen[str], number: signal.Signals
) -> None:
    tools = tool_of(stuck)
    assert len(tools) == 2
    stuck.send_signal(number)
    _, err = stuck.communicate(timeout=SECONDS)
    assert stuck.returncode == 130
    assert err == "interrupted; nothing was left in the store\n"
    assert gone(tools)
    assert home.left() == []


def test_a_killed_build_leaves_no_process_and_nothing_that_a_service_would_find(
    home: Home, stuck: subprocess.Popen[str]
) -> None:
    tools = tool_of(stuck)
    stuck.kill()
    eventually(lambda: gone(tools), SECONDS, "the tool has ended")
    assert not [name for name in home.left() if name.startswith("models")]
    home.trouble = ""
    assert home.build().manifest.results == {"words": 2}
    assert not [name for name in home.left() if name.startswith("llm-builds")]


def test_two_builds_of_the_same_do_not_meet(home: Home, stuck: subprocess.Popen[str]) -> None:
    tool_of(stuck)
    assert "is being built by another process" in home.refusal()
    assert stuck.poll() is None
    os.kill(stuck.pid, signal.SIGINT)
    stuck.communicate(timeout=SECONDS)
