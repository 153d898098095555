"""Settings to LMDeploy's engine configurations; what cannot be is one line."""

from typing import Any

import pytest

from common.errors import StartError
from common.models.config import ModelConfig
from common.models.model import DEMO_MODEL, Model, open_model
from common.settings import Settings
from services._lmdeploy.config import check_settings, engine_config, speculative_config
from services.lmdeploy import DRAFTS, NO_SCORES, NOT_ALONE, LMDeployEngine

PYTORCH = {"backend": "pytorch"}


def model(settings: Settings) -> Model:
    return open_model(settings, DEMO_MODEL)


def config_for(**values: Any) -> Any:
    settings = Settings(**values)
    return engine_config(settings, model(settings))


def start(settings: Settings) -> None:
    check_settings(settings)
    engine_config(settings, model(settings))


def refusal(**settings: Any) -> str:
    with pytest.raises(StartError) as refused:
        start(Settings(**settings))
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_settings_become_fields_of_the_engine_that_is_chosen() -> None:
    settings: dict[str, Any] = {
        "dtype": "float16",
        "tensor_parallel_size": 2,
        "max_concurrency": 7,
        "prefix_caching": False,
        "quantization": "fp8",
        "gpu_memory_utilization": 0.5,
    }
    for backend in ("turbomind", "pytorch"):
        config = config_for(**settings, engine_args={"backend": backend})
        assert type(config).__name__.lower() == f"{backend}engineconfig"
        assert (config.dtype, config.tp, config.max_batch_size) == ("float16", 2, 7)
        assert (config.model_format, config.cache_max_entry_count) == ("fp8", 0.5)
        assert config.enable_prefix_caching is False
        assert config.session_len == model(Settings()).max_model_len


def test_copies_and_whole_experts_are_turbominds_own() -> None:
    config = config_for(tensor_parallel_size=2, data_parallel_size=3, expert_parallel=True)
    assert (config.tp, config.dp, config.ep, config.device_num) == (2, 3, 2, 6)


def test_the_pytorch_engine_gets_what_drafts_by_its_own_name() -> None:
    def drafts(text: str, model_type: str = "llama") -> Any:
        settings = Settings(speculative=text, engine_args=PYTORCH)
        check_settings(settings)
        described = model(settings)
        described.__dict__["config"] = ModelConfig({"model_type": model_type})
        return speculative_config(settings, described)

    config = drafts("eagle3:/head:3")
    assert (config.method, config.model, config.num_speculative_tokens) == ("eagle3", "/head", 3)
    assert drafts("mtp:1", "deepseek_v3").method == "deepseek_mtp"
    with pytest.raises(StartError, match="has no 'mtp' for a 'llama' model; allowed are deepseek"):
        drafts("mtp:1")


def test_lmdeploys_share_of_free_memory_stands_until_ours_is_set() -> None:
    assert config_for().cache_max_entry_count == 0.8
    assert config_for(gpu_memory_utilization=0.7).cache_max_entry_count == 0.7


def test_turbomind_is_the_default_and_the_pytorch_engine_gives_logprobs() -> None:
    assert type(config_for()).__name__ == "TurbomindEngineConfig"
    assert config_for(engine_args=PYTORCH).logprobs_mode == "raw_logprobs"


def test_a_prompt_is_scored_by_the_pytorch_engine_alone_and_without_drafts() -> None:
    def reason(**values: Any) -> str | None:
        settings = Settings(**values)
        return LMDeployEngine(settings, model(settings)).all_gaps().get("prompt_logprobs")

    assert reason() == NO_SCORES
    assert reason(engine_args=PYTORCH) == NOT_ALONE
    assert reason(engine_args=PYTORCH, max_concurrency=1) is None
    assert reason(engine_args=PYTORCH, speculative="eagle:/head:2") == DRAFTS


def test_engine_args_win() -> None:
    arguments = {"max_batch_size": 3, "quant_policy": 8, "cache_max_entry_count": 0.3}
    config = config_for(engine_args=arguments, gpu_memory_utilization=0.5)
    assert (config.max_batch_size, config.quant_policy) == (3, 8)
    assert config.cache_max_entry_count == 0.3


@pytest.mark.parametrize("method", ["none", None])
def test_the_checkpoints_own_quantization_is_left_to_detection(method: str | None) -> None:
    assert config_for(quantization=method).model_format is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dtype": "float32"}, "allowed are auto, bfloat16, float16"),
        ({"gpu_memory_utilization": 1}, "allowed is less than 1"),
        ({"quantization": "bitsandbytes"}, "allowed are hf, awq, gptq"),
        ({"quantization": "awq", "engine_args": PYTORCH}, "allowed are fp8 and the checkpoint's"),
        ({"engine_args": {"backend": "triton"}}, "allowed are turbomind and pytorch"),
        ({"engine_args": {"session_length": 5}}, "did you mean 'session_len'?"),
        ({"engine_args": {"eager_mode": True}}, "the fields of lmdeploy.TurbomindEngineConfig"),
        ({"engine_args": {"cache_block_seq_len": "many"}}, "cache_block_seq_len: Input should be"),
        ({"engine_args": {"cache_generation": "some"}}, "invalid cache_generation"),
        ({"engine_args": {**PYTORCH, "device_type": "cpu"}}, "invalid device_type: cpu"),
        ({"engine_args": {**PYTORCH, "logprobs_mode": "raw_logits"}}, "not logits"),
        ({"engine_args": {"dp": 2}}, "use the setting 'data_parallel_size'"),
        ({"data_parallel_size": 2, "engine_args": PYTORCH}, "takes a server for each copy"),
        ({"speculative": "eagle:/head:2"}, "'turbomind' drafts nothing"),
        ({"engine_args": {"empty_init": True}}, "no weights to answer with"),
        (
            {"engine_args": {**PYTORCH, "distributed_executor_backend": "mp"}},
            "allowed are uni and ray",
        ),
    ],
)
def test_what_lmdeploy_cannot_take_is_one_line(settings: dict[str, Any], expected: str) -> None:
    assert expected in refusal(**settings)


def test_a_check_without_a_message_is_named_by_its_place() -> None:
    assert "AssertionError in __post_init__ (" in refusal(engine_args={"dtype": "float8"})
