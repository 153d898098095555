"""What a service makes of its plan before the engine is constructed."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from common.engine import Engine
from common.models.facts import facts_of_directory
from common.models.model import DEMO_MODEL, LoadPlan, Model, open_model
from common.plan import at_start
from common.plan.choice import BuiltCheckpoint
from common.plan.errors import Refused
from common.settings import Settings
from services._backends import load
from tests.models.configs import AWQ, LLAMA_3_8B, LLAMA_3_70B, facts, family
from tests.models.files import write_model
from tests.plan.questions import CPU

ENGINES: dict[str, type[Engine]] = {
    name: load(name)[1] for name in ("echo", "lmdeploy", "mlc", "tensorrt_llm", "vllm")
}

SMALL = family("llama") | {"head_dim": 64}


@pytest.fixture(autouse=True)
def without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def directory(folder: Path, config: dict[str, Any]) -> str:
    write_model(folder, config)
    (folder / "tokenizer.json").write_text("{}")
    return str(folder)


def applied(backend: str, **values: Any) -> tuple[Settings, Model]:
    settings = Settings(**values)
    path = Path(settings.model) if settings.model else DEMO_MODEL
    return at_start.apply(ENGINES[backend], settings, open_model(settings, path))


def test_the_engine_gets_its_own_words_and_the_users_arguments_win() -> None:
    settings, model = applied("lmdeploy", kv_cache_dtype="int8", engine_args={"max_batch_size": 3})
    assert settings.engine_args == {"quant_policy": 8, "max_batch_size": 3}
    assert model.load == LoadPlan("none", None, "bfloat16")
    settings, _ = applied(
        "tensorrt_llm",
        kv_cache_dtype="fp8",
        engine_args={"kv_cache_config": {"event_buffer_max_size": 1}},
    )
    assert settings.engine_args == {"kv_cache_config": {"dtype": "fp8", "event_buffer_max_size": 1}}


def test_what_the_user_did_not_set_does_not_count_as_set() -> None:
    settings, _ = applied("lmdeploy")
    assert "gpu_memory_utilization" not in settings.model_fields_set
    assert not settings.changed


def test_the_plan_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bentoml.llm.plan"):
        applied("vllm", kv_cache_dtype="fp8")
    text = caplog.text
    assert "plan for the demo model: unquantized: 6.8 MiB of weights fit on cpu" in text
    assert "arguments of the plan: {'kv_cache_dtype': 'fp8'}" in text
    assert "4096 tokens of context, 256 such sequences at once" in text


def test_a_model_that_is_too_large_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    settings = Settings(model=directory(tmp_path / "large", LLAMA_3_70B | {"hidden_size": 65536}))
    model = open_model(settings, tmp_path / "large")
    with pytest.raises(Refused, match="does not fit on cpu with vLLM"):
        at_start.check(ENGINES["vllm"], settings, model)


@pytest.mark.parametrize(
    ("backend", "values"),
    [
        ("echo", {}),
        ("vllm", {"engine_url": "http://a"}),
        ("tensorrt_llm", {"engine_dir": "somewhere"}),
        ("mlc", {"quantization": "q4f16_1"}),
    ],
)
def test_no_plan_is_made_of_what_runs_or_was_compiled_already(
    backend: str, values: dict[str, Any]
) -> None:
    settings = Settings(**values)
    model = open_model(Settings(), DEMO_MODEL)
    assert not at_start.is_planned(ENGINES[backend], settings)
    assert at_start.apply(ENGINES[backend], settings, model) == (settings, model)


def test_what_has_to_be_compiled_is_refused_with_the_command() -> None:
    with pytest.raises(Refused, match=r"build_scripts\.trtllm --quantization int4_awq; then"):
        applied("tensorrt_llm", quantization="int4_awq")


def test_a_model_that_cannot_be_counted_is_left_to_the_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hybrid = directory(tmp_path / "hybrid", LLAMA_3_8B | {"mamba_d_state": 16})
    with caplog.at_level(logging.WARNING, "bentoml.llm.plan"):
        settings, _ = applied("vllm", model=hybrid, kv_cache_dtype="fp8")
    assert settings.engine_args == {"kv_cache_dtype": "fp8"}
    assert "whether the model fits is not checked: the cache of a 'llama' model" in caplog.text
    with pytest.raises(Refused, match="has no quantization 'q9'"):
        applied("vllm", model=hybrid, quantization="q9")


def test_a_built_checkpoint_is_served_under_the_models_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = directory(tmp_path / "model", SMALL)
    built = directory(tmp_path / "built", SMALL | {"quantization_config": AWQ})
    checkpoint = BuiltCheckpoint("m:1", built, facts_of_directory(Path(built)))
    monkeypatch.setattr(at_start, "built_checkpoints", lambda settings: lambda scheme: [checkpoint])
    settings, model = applied("vllm", model=source, quantization="awq")
    assert (model.path, model.served_name) == (Path(built), "model")
    assert model.quantization == "awq"
    assert (settings.model, settings.quantization) == (built, "awq")
    assert model.load == LoadPlan("awq", None, "bfloat16")


def test_checkpoints_of_the_store_are_those_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bentoml._internal.configuration.containers import BentoMLContainer

    from common.models.artifacts.fingerprint import fingerprint
    from common.models.artifacts.manifest import FileEntry, Manifest

    source = Path(directory(tmp_path / "model", SMALL))
    built = tmp_path / "store" / "model-awq" / "1"
    built.parent.mkdir(parents=True)
    directory(built, SMALL | {"quantization_config": AWQ})
    size = (built / "config.json").stat().st_size
    Manifest(
        kind="checkpoint",
        builder="build_scripts.awq",
        command="",
        model="model",
        revision=None,
        fingerprint=fingerprint(source),
        scheme="awq",
        arguments={},
        tools={},
        created="2026-01-01T00:00:00Z",
        files={"config.json": FileEntry("", size)},
    ).write(built)
    with BentoMLContainer.model_store_dir.patch(str(tmp_path / "store")):
        settings, _ = applied("vllm", model=str(source), quantization="awq")
        other = directory(tmp_path / "other", SMALL | {"vocab_size": 640})
        with pytest.raises(Refused, match="needs a checkpoint"):
            applied("vllm", model=other, quantization="awq")
    assert settings.model == str(built)


def test_a_hub_model_is_planned_before_its_weights_are_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetched: list[str] = []

    def fetch(settings: Settings) -> Path:
        fetched.append(str(settings.model))
        return DEMO_MODEL

    monkeypatch.setattr(at_start, "is_cached", lambda *_: False)
    monkeypatch.setattr(at_start, "facts_of_hub", lambda model, _: facts(LLAMA_3_70B, model))
    monkeypatch.setattr(at_start, "cpu_device", lambda: CPU)
    monkeypatch.setattr(at_start, "download", fetch)
    with pytest.raises(Refused, match="org/large does not fit"):
        at_start.fetch(ENGINES["vllm"], Settings(model="org/large"))
    assert not fetched
    assert at_start.fetch(ENGINES["echo"], Settings(model="org/large")) == DEMO_MODEL
    monkeypatch.setattr(at_start, "is_cached", lambda *_: True)
    assert at_start.fetch(ENGINES["vllm"], Settings(model="org/large")) == DEMO_MODEL
    assert fetched == ["org/large", "org/large"]


def test_on_a_cluster_the_machine_here_does_not_matter(tmp_path: Path) -> None:
    engine = load("ray_serve")[1]
    large = directory(tmp_path / "large", LLAMA_3_70B | {"hidden_size": 65536})
    settings = Settings(model=large, engine_args={"ray_address": "10.0.0.1:6379"})
    at_start.check(engine, settings, open_model(settings, Path(large)))
    alone = Settings(model=large)
    with pytest.raises(Refused, match="does not fit on cpu"):
        at_start.check(engine, alone, open_model(alone, Path(large)))


def test_deciding_imports_no_engine_and_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from common.plan import __main__ as plan; plan.main(['--json']); "
        "print(sorted({'torch', 'transformers', 'vllm'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert json.loads(done.stdout.rpartition("[]")[0])
