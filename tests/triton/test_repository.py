"""The model repository written for tritonserver, read by the parser of Triton's own protocol."""

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.settings import Settings
from services._compiled.tensorrt_engine import EngineConfig, check_engine_dir
from services._triton.repository import TUNING, write_repository
from services._triton.server import check_backend, command
from tests.conftest import require_backend
from tests.service_process import REPOSITORY, interpreter

ENGINE = REPOSITORY / "tests" / "doubles" / "triton" / "engine"
CONTRACT = REPOSITORY / "tests" / "doubles" / "contracts" / "triton_tensors.json"
PARSE = """
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
config = text_format.Parse(sys.stdin.read(), ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
"""
CHOSEN = {
    "${logits_datatype}": "TYPE_FP32",
    "${encoder_input_features_data_type}": "TYPE_FP16",
    "${prompt_embedding_table_data_type}": "TYPE_FP16",
}
Config = dict[str, Any]


@pytest.fixture(scope="module")
def contract() -> Config:
    models: Config = json.loads(CONTRACT.read_text("utf-8"))["models"]
    config: Config = models["inflight_batcher_llm/tensorrt_llm"]
    return config


@pytest.fixture(scope="module")
def engine() -> EngineConfig:
    return check_engine_dir(ENGINE)


def parsed(folder: Path, engine: EngineConfig, **settings: Any) -> Config:
    require_backend("triton")
    write_repository(folder, engine, Settings(**settings))
    text = (folder / "tensorrt_llm" / "config.pbtxt").read_text("utf-8")
    done = subprocess.run(
        [interpreter("triton"), "-c", PARSE], input=text, capture_output=True, text=True, check=True
    )
    config: Config = json.loads(done.stdout)
    return config


def as_contract(tensor: Config) -> Config:
    """A parsed tensor in the contract's form, which leaves out what is false."""
    return {
        "name": tensor["name"],
        "data_type": tensor["data_type"],
        "dims": [int(size) for size in tensor["dims"]],
        **({"reshape": []} if "reshape" in tensor else {}),
        **{name: True for name in ("optional", "allow_ragged_batch") if tensor.get(name)},
    }


def expected(tensors: list[Config]) -> dict[str, Config]:
    tensors_by_name = {}
    for tensor in tensors:
        data_type = CHOSEN.get(tensor["data_type"], tensor["data_type"])
        kept = {name: value for name, value in tensor.items() if value is not False}
        tensors_by_name[tensor["name"]] = {**kept, "data_type": data_type}
    return tensors_by_name


def test_every_tensor_is_that_of_tensorrt_llms_backend(
    tmp_path: Path, engine: EngineConfig, contract: Config
) -> None:
    config = parsed(tmp_path, engine)
    for kind, own in (("input", config["input"]), ("output", config["output"])):
        assert {tensor["name"]: as_contract(tensor) for tensor in own} == expected(
            contract[f"{kind}s"]
        )
    assert config["name"] == "tensorrt_llm"
    assert config["backend"] == "tensorrtllm"
    assert config["model_transaction_policy"] == {"decoupled": True}
    assert config["max_batch_size"] == engine.max_batch_size
    assert (tmp_path / "tensorrt_llm" / "1").is_dir()


def names(contract: Config) -> set[str]:
    """The contract adds notes to some parameters."""
    return {name.partition("<-")[0].partition("(")[0] for name in contract["parameters"]}


def test_every_parameter_is_one_of_the_backends(
    tmp_path: Path, engine: EngineConfig, contract: Config
) -> None:
    config = parsed(tmp_path, engine, engine_args={"multi_block_mode": False})
    assert config["parameters"].keys() <= names(contract)
    assert set(TUNING) <= names(contract)
    assert config["parameters"]["multi_block_mode"] == {"string_value": "false"}
    for needed in ("tokenizer_dir", "guided_decoding_backend", "xgrammar_tokenizer_info_path"):
        assert needed in config["parameters"]


@pytest.mark.parametrize("on", [True, False])
def test_settings_reach_the_parameters(tmp_path: Path, engine: EngineConfig, on: bool) -> None:
    config = parsed(
        tmp_path, engine, prefix_caching=on, chunked_prefill=on, gpu_memory_utilization=0.5
    )
    values = {name: value["string_value"] for name, value in config["parameters"].items() if value}
    assert values["enable_kv_cache_reuse"] == values["enable_chunked_context"] == str(on).lower()
    assert values["kv_cache_free_gpu_mem_fraction"] == "0.5"
    assert values["gpt_model_path"] == str(ENGINE)
    assert values["normalize_log_probs"] == "false"


def test_host_memory_is_given_to_each_gpu(tmp_path: Path, engine: EngineConfig) -> None:
    two = dataclasses.replace(engine, world_size=2)
    values = parsed(tmp_path, two, kv_offload=8)["parameters"]
    assert values["kv_cache_host_memory_bytes"]["string_value"] == str(4 * 2**30)


def test_a_path_may_hold_quotes_and_backslashes(tmp_path: Path) -> None:
    folder = tmp_path / 'an "engine" \\ ü'
    folder.mkdir()
    for file in ENGINE.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = parsed(tmp_path / "models", check_engine_dir(folder))
    assert config["parameters"]["gpt_model_path"]["string_value"] == str(folder)


def test_an_engine_for_two_gpus_is_served_by_two_processes(
    tmp_path: Path, engine: EngineConfig
) -> None:
    settings = Settings(engine_args={"tritonserver": "/bin/true"})
    two = EngineConfig(**{**{n: getattr(engine, n) for n in engine.__slots__}, "world_size": 2})
    argv = list(command(settings, two, tmp_path, 1, 2).argv)
    assert argv[:2] == ["mpirun", "--allow-run-as-root"]
    assert argv.count("/bin/true") == argv.count(":") == argv.count("-n") == 2
    assert argv.index("--load-model=tensorrt_llm") > argv.index(":")


def test_a_server_without_the_backend_of_compiled_engines_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "bin" / "tritonserver"
    folder = tmp_path / "backends" / "tensorrtllm"
    check_backend(binary)
    folder.mkdir(parents=True)
    (folder / "libtriton_tensorrtllm_common.a").touch()
    with pytest.raises(StartError, match=r"no backend 'tensorrtllm' .*same engine_dir"):
        check_backend(binary)
    (folder / "libtriton_tensorrtllm.so").touch()
    check_backend(binary)
