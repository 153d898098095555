"""The same directory is the same model to the service, to the plan and to every builder."""

import argparse
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from build_scripts.builder import BuildError, Source
from build_scripts.mlc.__main__ import add_options as add_mlc_options
from build_scripts.mlc.checks import check as check_mlc
from build_scripts.quantize.checks import check_source as check_quantize
from build_scripts.trtllm.__main__ import add_options as add_trtllm_options
from build_scripts.trtllm.checks import scheme_of
from common.models.facts import facts_of_directory
from common.models.model import DEMO_MODEL
from common.plan.errors import Refused
from tests.in_process import echo_runtime
from tests.models.configs import AWQ, GPTQ, compressed
from tests.plan.questions import TABLES, plan

DEMO = json.loads((DEMO_MODEL / "config.json").read_text("utf-8"))
W4A16 = compressed("pack-quantized", num_bits=4, type="int", group_size=128, symmetric=False)
FP8_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}
MODELOPT = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": None}}
BITSANDBYTES = {"quant_method": "bitsandbytes", "load_in_4bit": True}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("none", DEMO),
    "AutoAWQ": ("awq", DEMO | {"quantization_config": AWQ}),
    "AutoAWQ, nested": (
        "awq",
        {"model_type": "llama", "text_config": DEMO | {"quantization_config": AWQ}},
    ),
    "compressed-tensors": ("w4a16", DEMO | {"quantization_config": W4A16}),
    "compressed-tensors of old": ("w4a16", DEMO | {"compression_config": W4A16}),
    "GPTQ": ("gptq", DEMO | {"quantization_config": GPTQ}),
    "FP8 in blocks": ("fp8", DEMO | {"quantization_config": FP8_BLOCKS}),
    "ModelOpt": ("fp8", DEMO),
    "bitsandbytes": ("bitsandbytes-4bit", DEMO | {"quantization_config": BITSANDBYTES}),
}


@pytest.fixture(params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A directory without weights, and the scheme that they have."""
    scheme, config = CONFIGS[request.param]
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(DEMO_MODEL / name, folder / name)
    if request.param == "ModelOpt":
        (folder / "hf_quant_config.json").write_text(json.dumps(MODELOPT), "utf-8")
    return folder, scheme


async def test_the_service_labels_it_in_its_list_of_models_and_in_metrics(
    checkpoint: tuple[Path, str],
) -> None:
    folder, scheme = checkpoint
    runtime, client = await echo_runtime(folder)
    async with client as http:
        card = (await http.get("/v1/models")).json()["data"][0]
    assert card["quantization"] == scheme
    labels = {
        sample.labels["quantization"]
        for family in runtime.metrics.registry.collect()
        for sample in family.samples
        if "quantization" in sample.labels
    }
    assert labels == {scheme}


def test_every_plan_names_it(checkpoint: tuple[Path, str]) -> None:
    folder, scheme = checkpoint
    facts = facts_of_directory(folder)
    assert facts.quantization.scheme == scheme
    schemes = set()
    for backend in (name for name, table in TABLES.items() if not table.compiled):
        # Some engines refuse it; one at least takes it.
        with suppress(Refused):
            schemes.add(plan(backend, facts, "h100").scheme)
    assert schemes == {scheme}


def options(add_options: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(())


def refusal(check: Callable[[], Any]) -> str:
    with pytest.raises(BuildError) as refused:
        check()
    return str(refused.value)


def test_every_builder_names_it(checkpoint: tuple[Path, str]) -> None:
    folder, scheme = checkpoint
    source = Source(folder, "org/model", None)
    mlc, trtllm = options(add_mlc_options), options(add_trtllm_options)
    if scheme == "none":
        check_quantize(source, group_size=128, autoawq=True)
        check_mlc(mlc, source)
        assert scheme_of(trtllm, source) == "none"
        return
    assert f"is quantized already ({scheme})" in refusal(
        lambda: check_quantize(source, group_size=None, autoawq=False)
    )
    assert f"and these are {scheme};" in refusal(lambda: check_mlc(mlc, source))
    if scheme in ("awq", "gptq"):
        assert scheme_of(trtllm, source) == scheme
    else:
        assert f"that are {scheme} are not converted" in refusal(lambda: scheme_of(trtllm, source))
