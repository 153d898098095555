"""The launcher's command, and the refusals when there is none."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.adapters import Adapter
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from services.__main__ import row
from services._tgi.launch import READ_FROM_ENVIRONMENT, launch
from services.tgi import TGIEngine
from tests.doubles.tgi.tgi_double.flags import KNOWN, parse
from tests.service_process import REPOSITORY

BIN = REPOSITORY / "tests" / "doubles" / "tgi" / "bin"


@pytest.fixture
def with_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(BIN), prepend=os.pathsep)


def flags(folder: Path, **values: Any) -> dict[str, str]:
    """As the launcher itself reads them; it ends the process for those it does not know."""
    settings = Settings(**values)
    TGIEngine.check(settings)
    command, _ = launch(settings, open_model(settings, DEMO_MODEL), folder)
    return parse(command.argv[1:])


@pytest.mark.usefixtures("with_launcher")
def test_each_setting_has_its_flag(tmp_path: Path) -> None:
    given = flags(
        tmp_path,
        max_model_len=1000,
        tensor_parallel_size=2,
        gpu_memory_utilization=0.5,
        max_concurrency=10,
        trust_remote_code=True,
        quantization="awq",
        engine_args={"max_batch_size": 4, "cuda-graphs": "1,2", "disable_custom_kernels": True},
    )
    assert (
        given.items()
        >= {
            "model-id": str(DEMO_MODEL),
            "max-total-tokens": "1000",
            "max-input-tokens": "999",
            "num-shard": "2",
            "cuda-memory-fraction": "0.5",
            "max-concurrent-requests": "28",
            "max-top-n-tokens": "20",
            "trust-remote-code": "true",
            "quantize": "awq",
            "usage-stats": "off",
            "hostname": "127.0.0.1",
            "max-batch-size": "4",
            "cuda-graphs": "1,2",
            "disable-custom-kernels": "true",
        }.items()
    )
    assert not {"dtype", "speculate"} & set(given)
    ports = {given[name] for name in ("port", "prometheus-port", "master-port")}
    assert len(ports) == 3
    assert given["shard-uds-path"].startswith(str(tmp_path))
    assert flags(tmp_path, dtype="float16")["dtype"] == "float16"
    drafted = flags(tmp_path, speculative="ngram:3", max_model_len=1000)
    # Where it checks drafts it reads a prompt in one piece.
    assert (drafted["speculate"], drafted["max-batch-prefill-tokens"]) == ("3", "1000")
    assert flags(tmp_path, engine_args={"usage_stats": "on"})["usage-stats"] == "on"


@pytest.mark.usefixtures("with_launcher")
def test_whole_prefills_get_a_budget_that_every_prompt_fits_in(tmp_path: Path) -> None:
    settings = Settings(chunked_prefill=False, prefix_caching=False)
    command, _ = launch(settings, open_model(settings, DEMO_MODEL), tmp_path)
    assert parse(command.argv[1:])["max-batch-prefill-tokens"] == "4096"
    assert command.environment["PREFILL_CHUNKING"] == "0"
    assert command.environment["PREFIX_CACHING"] == "0"


@pytest.mark.usefixtures("with_launcher")
def test_adapters_are_the_launchers_and_end_the_prefix_cache(tmp_path: Path) -> None:
    settings = Settings(adapters={"terse": "/a/terse"})
    adapters = (Adapter("terse", Path("/a/terse"), 1, 4), Adapter("p/irate", Path("/b"), 2, 4))
    model = replace(open_model(settings, DEMO_MODEL), adapters=adapters)
    command, _ = launch(settings, model, tmp_path)
    assert parse(command.argv[1:])["lora-adapters"] == "terse=/a/terse,p/irate=/b"
    assert command.environment["PREFIX_CACHING"] == "0"
    cut = replace(model, adapters=(Adapter("terse", Path("/a@b"), 1, 4),))
    with pytest.raises(StartError, match=r"/a@b has one of , = @ in it"):
        launch(settings, cut, tmp_path)


@pytest.mark.usefixtures("with_launcher")
def test_variables_that_the_launcher_would_read_are_kept_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for name in ("DTYPE", "REVISION", "PREFIX_CACHING", "PORT", "HOSTNAME", "API_KEY"):
        monkeypatch.setenv(name, "auto")
    settings = Settings()
    command, _ = launch(settings, open_model(settings, DEMO_MODEL), tmp_path)
    read = {name.upper().replace("-", "_") for name in KNOWN} | {"PREFIX_CACHING"}
    assert not read & command.environment.keys()
    assert command.environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert {*KNOWN, "prefix-caching"} == {*READ_FROM_ENVIRONMENT, "env"}


@pytest.mark.usefixtures("with_launcher")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine_args": {"max_batch_sise": 4}}, "no argument 'max-batch-sise'.*'max-batch-size'"),
        (
            {"engine_args": {"num_shard": 4}},
            "'num-shard' is not for you to set: use the setting 'tensor_parallel",
        ),
        ({"engine_args": {"port": 4}}, "has no argument 'port'; .*allowed are "),
        ({"engine_args": {"max_batch_size": [4]}}, "'max-batch-size' must be a string or a number"),
        ({"engine_args": {"disable_custom_kernels": 1}}, "must be true or false"),
        ({"engine_args": {"lora_adapters": "a=b"}}, "use the setting 'adapters'"),
        ({"adapter_loading": "/a"}, "'adapter_loading' has no effect with TGI"),
        ({"engine_url": "http://a", "adapters": "a=/b"}, "'adapters' has no effect with 'engine_"),
        ({"dtype": "float32"}, "'dtype': TGI has no float32; allowed are auto, bfloat16, float16"),
        ({"engine_dir": "/tmp"}, "'engine_dir' has no effect with TGI"),
        ({"kv_cache_gib": 2}, "'kv_cache_gib' has no effect with TGI"),
        ({"seed": 2}, "'seed' has no effect with TGI"),
        ({"engine_url": "localhost:8080"}, "'localhost:8080' is no address"),
        ({"engine_url": "http://[::1"}, "is no address"),
        ({"engine_url": "http://a:99999"}, "is no address"),
        ({"engine_url": "ftp://me:secret@a"}, "'ftp://a' is no address"),
        ({"engine_url": "http://a", "dtype": "float16"}, "'dtype' has no effect with 'engine_url'"),
        ({"engine_url": "http://a", "kv_cache_dtype": "fp8"}, "'kv_cache_dtype' has no effect"),
        ({"engine_url": "http://a", "engine_args": {"launcher": "x"}}, "'engine_args' has no eff"),
    ],
)
def test_what_cannot_be_honoured_is_told_before_the_start(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(StartError, match=message) as raised:
        TGIEngine.check(Settings(**values))
    assert "\n" not in str(raised.value)


def test_a_missing_launcher_is_told_with_where_and_with_the_command_that_makes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere:/neither")
    with pytest.raises(StartError) as raised:
        TGIEngine.check(Settings(max_model_len=512))
    assert str(raised.value) == (
        "text-generation-launcher was looked for on PATH (/nowhere:/neither) and is not there; run "
        f"it from its image (docker run --gpus all --shm-size 1g -p 8080:80 -v {DEMO_MODEL}:/model "
        "ghcr.io/huggingface/text-generation-inference:3.3.7 --model-id /model "
        "--max-total-tokens 512 --max-input-tokens 511 --max-top-n-tokens 20 --usage-stats off) "
        "and set ENGINE_URL=http://127.0.0.1:8080, or set ENGINE_ARGS="
        """'{"launcher": "/its/path/text-generation-launcher"}'"""
    )


def test_a_launcher_may_be_given_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    TGIEngine.check(Settings(engine_args={"launcher": str(BIN / "text-generation-launcher")}))
    with pytest.raises(StartError, match=re.escape("was looked for at '/opt/tgi'")):
        TGIEngine.check(Settings(engine_args={"launcher": "/opt/tgi"}, model="org/name"))


def test_the_list_of_backends_calls_it_installed_only_with_its_launcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert row("", TGIEngine)[3] == "no"
    monkeypatch.setenv("PATH", str(BIN))
    assert row("", TGIEngine)[3] == "yes"
    monkeypatch.setattr(TGIEngine, "package", "no_such_engine")
    assert row("", TGIEngine)[3] == "no"
