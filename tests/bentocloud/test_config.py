"""What BentoML would swallow is refused: with the key where it stands, and what would work."""

from pathlib import Path

import pytest
import yaml

from bentocloud.config import DeployError, check_keys, override, read_config
from build_scripts.bentos.table import ROOT
from tests.bentocloud.checks import plan, refusal

ECHO = (ROOT / "bentos" / "echo" / "deployment.yaml").read_text("utf-8")
SERVICE = "services.Echo"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("access_authorization:", "acess_authorization:", "unknown key 'acess_authorization' (did"),
        ("services:", "service:", "unknown key 'service' (did you mean 'services'?)"),
        ("instance_type:", "instance_typ:", f"{SERVICE}: unknown key 'instance_typ' (did you mean"),
        ("min_replicas:", "min_replica:", f"{SERVICE}.scaling: unknown key 'min_replica' (did you"),
        ("scale_up_b", "scale_upb", f"{SERVICE}.scaling.policy: unknown key 'scale_upbehavior' ("),
        ("traffic:", "trafic:", f"{SERVICE}.config_overrides.trafic: Extra inputs are not perm"),
        ("external_queue:", "queue:", f"{SERVICE}.config_overrides.traffic.queue: Extra inputs"),
        ("_replicas: 3", "_replicas: '3'", f"{SERVICE}.scaling.max_replicas: has to be a whole nu"),
        ("_replicas: 3", "_replicas: true", f"{SERVICE}.scaling.max_replicas: has to be a whole n"),
        ("timeout: 300", "timeout: 5m", f"{SERVICE}.cold_start_timeout: has to be a whole number"),
        ("t: 86400", "t: 0", f"{SERVICE}.config_overrides.traffic.timeout: Input should be great"),
        ("name: llm-echo", "name: 7", "name: has to be text (in quotes), not 7"),
        ("name: llm-echo", "bento: llm-echo:x", "'bento' is left out of the file: it is built"),
        ("name: llm-echo", "secrets: hf", "secrets: has to be a list, not 'hf'"),
        ("name: llm-echo", "envs: [{name: A}]", "envs.value: is missing"),
        ("name: llm-echo", "envs: [{nam: A, value: b}]", "envs: unknown key 'nam' (did you mean"),
        ("name: llm-echo", "envs: [1]", "envs: has to hold keys and values"),
    ],
)
def test_a_key_or_a_type_that_bentoml_does_not_have(old: str, new: str, message: str) -> None:
    assert ECHO.count(old) == 1
    with pytest.raises(DeployError) as caught:
        check_keys(yaml.safe_load(ECHO.replace(old, new)))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [("just words", "has to be a mapping"), ("", "has to be a mapping")],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(DeployError) as caught:
        read_config(file)
    assert str(caught.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name: a\nname: b", 2, "'name' is given twice"),
        ("envs: !!python/name:os.system", 1, "'' cannot be read as"),
        ("name: [", 1, ""),
    ],
)
def test_what_yaml_does_not_allow_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(DeployError) as caught:
        read_config(file)
    assert str(caught.value).startswith(f"{file}: is no YAML: {message}")
    assert str(caught.value).endswith(f" (line {line})")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instance_typ=cpu.2", "--set instance_typ: unknown key 'instance_typ' (did you mean 'ins"),
        ("scaling", "--set scaling: has to be key=value"),
        ("name.a=1", "--set name.a: name holds no keys"),
        ("secrets=[", "--set secrets: is no YAML"),
        ("scaling.max_replicas=0", f"{SERVICE}.scaling.max_replicas: 0 would serve nobody"),
        ("scaling.min_replicas=4", f"{SERVICE}.scaling.min_replicas: 4 is more than max_replicas"),
        ("access_authorization=", "access_authorization: has to be true or false, not None"),
        ("instance_type=", f"{SERVICE} has no 'instance_type': BentoCloud would choose"),
        ("services.VLLM.instance_type=cpu.2", "services: the bento has no service 'VLLM', but 'Ec"),
        ("config_overrides.traffic.concurrency=25", "traffic.concurrency is 25, and the setting m"),
        ("envs=[{name: MAX_CONCURRENCY, value: many}]", "setting 'max_concurrency': "),
        ("envs=[{name: MAX_CONCURRENCYS, value: '64'}]", "envs: the variable MAX_CONCURRENCYS is"),
        ("envs=[{name: HF_TOKEN, value: abc}]", "envs: HF_TOKEN is a secret and would lie here i"),
        ("envs=[{name: API_KEYS, value: abc}]", "envs: API_KEYS is a secret"),
        ("envs=[{name: ENGINE_DIR, value: /x}]", "setting 'engine_dir' has no effect with Echo"),
    ],
)
def test_a_change_that_would_do_something_else(text: str, message: str) -> None:
    assert refusal("echo", text).startswith(message)


def test_changes_reach_the_file_and_its_service() -> None:
    changes = ("scaling.max_replicas=9", "labels=[{key: team, value: search}]", "cluster=here")
    config = yaml.safe_load(ECHO)
    for change in changes:
        override(config, "Echo", change)
    assert config["services"]["Echo"]["scaling"]["max_replicas"] == 9
    assert config["labels"] == [{"key": "team", "value": "search"}]
    assert config["cluster"] == "here"
    plan("echo", *changes)


def test_concurrency_follows_the_setting_wherever_it_is_set() -> None:
    mended = "config_overrides.traffic.concurrency=64"
    assert refusal("echo", arguments={"max_concurrency": "64"}).endswith(f"--set {mended}")
    plan("echo", mended, arguments={"max_concurrency": "64"})
    variable = "envs=[{name: MAX_CONCURRENCY, value: '64'}]"
    assert refusal("echo", variable).endswith(f"--set {mended}")
    plan("echo", mended, variable)


def test_bentoml_itself_swallows_a_misspelt_key() -> None:
    """The reason for the strict reading: the day it does not, that can go."""
    from bentoml._internal.cloud.schemas.schemasv2 import CreateDeploymentSchema
    from bentoml._internal.utils.cattr import bentoml_cattr

    content = yaml.safe_load(ECHO.replace("instance_type:", "instance_typ:"))
    read = bentoml_cattr.structure({**content, "bento": "llm-echo:x"}, CreateDeploymentSchema)
    assert read.services["Echo"].instance_type is None
