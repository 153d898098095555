"""What BentoML would swallow is refused: with the line where it stands, and what would work."""

from pathlib import Path

import pytest
import yaml

from tests.deploy.checked import check, refusal
from tests.service_process import REPOSITORY

ECHO = (REPOSITORY / "bentos" / "echo" / "deployment.yaml").read_text("utf-8")


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """Where a changed file goes."""
    return tmp_path / "edited.yaml"


def edit(path: Path, old: str, new: str) -> int:
    """Echo's file with one change; the number of the changed line."""
    assert ECHO.count(old) == 1
    path.write_text(ECHO.replace(old, new), "utf-8")
    return ECHO[: ECHO.index(old)].count("\n") + 1


MISSPELT = [
    ("access_authorization:", "acess_authorization:", "'access_authorization'"),
    ("instance_type:", "instance_typ:", "'instance_type'"),
    ("scaling:", "scalling:", "'scaling'"),
    ("min_replicas:", "min_replica:", "'min_replicas'"),
    ("scale_up_behavior:", "scale_up_behaviour:", "'scale_up_behavior'"),
    ("cold_start_timeout:", "coldstart_timeout:", "'cold_start_timeout'"),
    ("config_overrides:", "config_override:", "'config_overrides'"),
    ("traffic:", "trafic:", "'traffic'"),
    ("external_queue:", "external_que:", "'external_queue'"),
    ("services:", "service:", "'services'"),
]


@pytest.mark.parametrize(("old", "new", "near"), MISSPELT)
def test_a_misspelt_key(edited: Path, old: str, new: str, near: str) -> None:
    line = edit(edited, old, new)
    told = refusal("echo", path=edited)
    assert told.startswith(
        f"deployment.yaml:{line}: unknown key {new[:-1]!r} (did you mean {near}?)"
    )
    assert near.strip("'") in told.partition("allowed are ")[2]


WRONG = [
    ("RollingUpdate", "RolingUpdate", "unknown 'RolingUpdate' (did you mean 'RollingUpdate'?)"),
    ("behavior: fast", "behavior: quick", "unknown 'quick'; allowed are disabled, stable, fast"),
    ("min_replicas: 1", "min_replicas: 4", "min_replicas: 4 is more than max_replicas, 3"),
    ("min_replicas: 1", "min_replicas: -1", "min_replicas: -1 is negative"),
    ("max_replicas: 3", "max_replicas: 0", "max_replicas: 0 would serve nobody"),
    ("max_replicas: 3", "max_replicas: '3'", "should be a valid integer, not '3'"),
    ("max_replicas: 3", "max_replicas: true", "should be a valid integer, not True"),
    ("cold_start_timeout: 300", "cold_start_timeout: 5m", "should be a valid integer, not '5m'"),
    ("cold_start_timeout: 300", "cold_start_timeout: -300", "-300 is negative"),
    ("timeout: 86400", "timeout: 0", "should be greater than 0, not 0"),
    ("external_queue: true", "external_queue: 'yes'", "should be a valid boolean, not 'yes'"),
    ("concurrency: 256", "concurrency: 25", "25 is not max_concurrency, which is 256"),
    ("instance_type: cpu.2", "instance_type: ''", "has no 'instance_type'"),
    ("  Echo:", "  VLLM:", "the bento has no service 'VLLM', but 'Echo'"),
    ("name: llm-echo", "name: Llm_Echo", "'Llm_Echo' has to be up to 63 of a-z, 0-9 and '-'"),
    ("name: llm-echo", "name: 7", "name: input should be a valid string, not 7"),
    ("name: llm-echo", "bento: llm-echo:x", "'bento' is left out of the file"),
]


@pytest.mark.parametrize(("old", "new", "words"), WRONG)
def test_a_wrong_value(edited: Path, old: str, new: str, words: str) -> None:
    line = edit(edited, old, new)
    told = refusal("echo", path=edited)
    assert words in told
    # What is missing is told at the mapping that lacks it.
    above = line - 1 if "has no" in words and "service" not in words else line
    assert told.startswith(f"deployment.yaml:{above}: ")


def test_a_file_that_does_not_say_who_may_call(edited: Path) -> None:
    edit(edited, "access_authorization: true\n", "")
    assert "has no 'access_authorization'" in refusal("echo", path=edited)


def test_the_same_key_twice(edited: Path) -> None:
    line = edit(edited, "name: llm-echo\n", "name: llm-echo\nname: other\n")
    told = refusal("echo", path=edited)
    assert told == (
        f"deployment.yaml:{line + 1}: 'name' stands here again, first at deployment.yaml:{line}"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "deployment.yaml:1: is no YAML"),
        ("just words", "deployment.yaml: has to be a mapping"),
        ("", "deployment.yaml: has to be a mapping"),
        ("envs: !!python/name:os.system", "deployment.yaml:1: cannot be read"),
        ("7: seven", "line 1: a key has to be a word"),
        ("services: &a\n  Echo: *a", "deployment.yaml:2: contains itself"),
        ("services: [1]", "services: has to hold keys and values, not [1]"),
        ("secrets: hf", "secrets: has to hold a list, not 'hf'"),
        ("envs: [{name: A}]", "envs[0] has no 'value'"),
        ("envs: [{nam: A, value: b}]", "unknown key 'nam' (did you mean 'name'?)"),
        ("name: \x00", "is no YAML"),
    ],
)
def test_what_is_no_deployment_file(edited: Path, text: str, words: str) -> None:
    edited.write_text(text, "utf-8")
    assert words in refusal("echo", path=edited)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refusal("echo", path=tmp_path / "none") == "deployment.yaml: No such file or directory"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('[""]', "'' is no name of a secret"),
        ("[a, a]", "'a' stands there twice"),
        ("[1]", "secrets[0]: input should be a valid string, not 1"),
    ],
)
def test_secrets_without_a_good_name(value: str, words: str) -> None:
    assert refusal("echo", f"secrets={value}").startswith("--set secrets: secrets")
    assert words in refusal("echo", f"secrets={value}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{name: MAX_CONCURRENCY, value: 64}", "valid string, not 64 (quotes make it text)"),
        ("{name: MAX_CONCURRENCY, value: many}", "setting 'max_concurrency'"),
        ("{name: MAX_CONCURRENCYS, value: '64'}", "did you mean MAX_CONCURRENCY?"),
        ("{name: HF_TOKEN, value: abc}", "HF_TOKEN is a secret and would lie here in clear"),
        ("{name: API_KEYS, value: abc}", "API_KEYS is a secret"),
        ("{name: 'A B', value: abc}", "'A B' is no name of a variable"),
        ("{name: A, value: b}, {name: A, value: c}", "A stands there twice"),
        ("null", "an item of 'envs' is empty"),
    ],
)
def test_variables_that_would_do_something_else(value: str, words: str) -> None:
    assert words in refusal("echo", f"services.Echo.envs=[{value}]")


def test_a_variable_that_the_bento_needs() -> None:
    told = refusal("echo", needs=["LICENSE_KEY"])
    assert "the bento needs LICENSE_KEY: give a name and a value under 'envs'" in told
    check("echo", "envs=[{name: LICENSE_KEY, value: x}]", needs=["LICENSE_KEY"])
    assert "needs" in refusal(
        "echo", "envs=[{name: LICENSE_KEY, value: ''}]", needs=["LICENSE_KEY"]
    )


def test_concurrency_follows_the_setting_wherever_it_is_set() -> None:
    told = refusal("echo", arguments={"max_concurrency": "64"})
    assert "--set config_overrides.traffic.concurrency=64" in told
    mended = "config_overrides.traffic.concurrency=64"
    check("echo", mended, arguments={"max_concurrency": "64"})
    variable = "envs=[{name: MAX_CONCURRENCY, value: '64'}]"
    assert "is not max_concurrency, which is 64" in refusal("echo", variable)
    check("echo", mended, variable)


def test_settings_that_are_wrong_or_mean_nothing() -> None:
    assert "did you mean 'max_queue'" in refusal("echo", arguments={"max_que": "1"})
    assert "has no effect with Echo" in refusal("echo", arguments={"engine_dir": "nowhere"})
    assert "in clear" in refusal("echo", arguments={"api_keys": "abc"})


def test_overrides_are_checked_like_the_file() -> None:
    assert refusal("echo", "instance_typ=cpu.2").startswith(
        "--set instance_typ: unknown key 'instance_typ' (did you mean 'instance_type'?)"
    )
    assert "has to be key=value" in refusal("echo", "scaling")
    assert "name holds no keys" in refusal("echo", "name.a=1")
    assert "is no YAML" in refusal("echo", "secrets=[")
    check("echo", "scaling.max_replicas=9", "labels=[{key: team, value: search}]")


def test_bentoml_itself_swallows_these() -> None:
    """The reason for all this: the day it does not, the check can go."""
    from bentoml._internal.cloud.schemas.schemasv2 import CreateDeploymentSchema
    from bentoml._internal.utils.cattr import bentoml_cattr

    text = ECHO.replace("instance_type:", "instance_typ:").replace("RollingUpdate", "Rolling")
    content = {**yaml.safe_load(text), "bento": "llm-echo:x", "colour": "red"}
    read = bentoml_cattr.structure(content, CreateDeploymentSchema)
    assert read.services["Echo"].instance_type is None
    assert read.services["Echo"].deployment_strategy == "Rolling"
