"""An engine is made by TensorRT-LLM's own tools, for one kind of GPU, or one line says why not."""

import json
import re
import shutil
import signal
from pathlib import Path

import pytest

from build_scripts.builder import cli
from build_scripts.builder.source import open_source
from build_scripts.trtllm.__main__ import add_options
from build_scripts.trtllm.recipe import MODULE, TensorRTEngine
from build_scripts.trtllm.tables import FAMILIES, SCHEMES
from common.models.model import DEMO_MODEL
from tests.builder.support import Home, gone, tool_of
from tests.limits import DEADLINE
from tests.model_directories import model_flags
from tests.service_process import REPOSITORY, eventually
from tests.tensorrt_llm.builds import AUTOAWQ, AWQ, EXAMPLES, GPTQ

CONTRACT = json.loads((REPOSITORY / "tests/doubles/contracts/trtllm_tools.json").read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        AWQ,
        ("--quantization", "int8_wo", "--tensor-parallel-size", "2"),
        ("--kv-cache-dtype", "int8", "--max-seq-len", "512", "--gemm-plugin", "auto"),
        ("--multiple-profiles", "disable", "--opt-num-tokens", "512", "--max-input-len", "256"),
    ],
    ids=" ".join,
)
def test_the_tools_take_what_they_are_given(home: Home, arguments: tuple[str, ...]) -> None:
    artifact = home.build(*EXAMPLES, *arguments)
    manifest = artifact.manifest
    assert manifest.kind == "tensorrt_llm"
    assert (manifest.gpu, manifest.compute_capability) == ("Double GPU", "8.0")
    assert manifest.tools == {"tensorrt_llm": "1.2.1"}
    assert {"config.json", "rank0.engine"} <= set(manifest.files)
    assert f"{artifact.tag} is there already" in home.run(*EXAMPLES, *arguments)
    assert not (REPOSITORY / "model.cache").exists()


@pytest.mark.parametrize(
    ("family", "scheme"),
    [(family, scheme) for family, row in FAMILIES.items() for scheme in row.schemes],
)
def test_every_family_and_scheme_has_the_commands_that_are_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, family: str, scheme: str
) -> None:
    generation = (SCHEMES[scheme].generations or (int(SCHEMES[scheme].minimum),))[-1]
    capability = max(SCHEMES[scheme].minimum, float(generation))
    monkeypatch.setenv("DOUBLE_GPUS", f"Double GPU, {capability}")
    monkeypatch.setenv("PATH", "")
    flags = model_flags(tmp_path, model_type=family)
    shown = "".join(
        f"   {line}\n" for line in commands(*flags, *EXAMPLES, "--quantization", scheme)
    )
    assert_recorded(shown)
    calibrates = SCHEMES[scheme].calibrates
    assert ("quantization/quantize.py" in shown) == calibrates
    assert ("--calibration" in shown) == calibrates


def commands(*arguments: str) -> list[str]:
    """What would be run."""
    parser = cli.builder_parser(MODULE, None)
    add_options(parser)
    options = parser.parse_args(arguments)
    recipe, source = TensorRTEngine(options), open_source(options.model, None)
    recipe.check(source)
    return [step.line for step in recipe.steps(source, Path("OUTPUT"), Path("SCRATCH"))]


def assert_recorded(shown: str) -> None:
    """Each flag and value of the commands is one that the tool has."""
    for line in shown.splitlines():
        found = re.search(r"(?:\w+/convert_checkpoint|quantize)\.py|trtllm-build", line)
        if found is None or not line.startswith("   "):
            continue
        recorded, words = CONTRACT[found[0]], line[found.end() :].split()
        while words:
            flag = words.pop(0)
            assert flag in recorded, f"{found[0]} has no {flag}"
            if recorded[flag] is not True:
                value = words.pop(0)
                assert recorded[flag] is None or value in recorded[flag], f"{flag} {value}"


def test_the_defaults_are_those_of_the_study(home: Home) -> None:
    shown = home.run("--dry-run", *EXAMPLES)
    for flag in (
        "--max_batch_size 2048",
        "--max_num_tokens 2048",
        "--gemm_plugin auto",
        "--multiple_profiles enable",
        "--use_paged_context_fmha enable",
        "--kv_cache_type paged",
    ):
        assert flag in shown
    assert "models/core/llama/convert_checkpoint.py" in shown
    assert home.left() == []


def test_each_default_can_be_another(home: Home) -> None:
    flags = {
        "--max-batch-size": "64",
        "--max-num-tokens": "4096",
        "--max-seq-len": "1024",
        "--max-input-len": "512",
        "--gemm-plugin": "disable",
        "--multiple-profiles": "disable",
        "--use-paged-context-fmha": "disable",
        "--workers": "3",
        "--opt-num-tokens": "128",
    }
    given = [word for pair in flags.items() for word in pair]
    shown = home.run("--dry-run", *EXAMPLES, *given)
    assert_recorded(shown)
    for flag, value in flags.items():
        assert f"{flag.replace('--', '@').replace('-', '_').replace('@', '--')} {value}" in shown


@pytest.mark.parametrize(
    ("arguments", "paged", "tokens"),
    [
        (("--kv-cache-dtype", "fp8", "--quantization", "fp8"), "enable", 2048),
        (("--kv-cache-dtype", "fp8", "--quantization", "int4_awq"), "disable", 4096),
        (("--kv-cache-dtype", "int8"), "disable", 4096),
        (("--kv-cache-type", "continuous"), "disable", 4096),
        (("--kv-cache-dtype", "int8", "--max-seq-len", "1024"), "disable", 2048),
    ],
)
def test_a_cache_that_cannot_be_read_in_pages_takes_whole_prompts(
    home: Home, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], paged: str, tokens: int
) -> None:
    monkeypatch.setenv("DOUBLE_GPUS", "Double GPU, 9.0")
    shown = home.run("--dry-run", *EXAMPLES, *arguments)
    assert f"--use_paged_context_fmha {paged}" in shown
    assert f"--max_num_tokens {tokens} " in shown


def test_another_gpu_has_another_engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = home.build(*EXAMPLES).tag
    monkeypatch.setenv("DOUBLE_GPUS", "Double GPU, 9.0")
    assert home.build(*EXAMPLES).tag != first


def test_how_it_is_served_is_told(home: Home, tmp_path: Path) -> None:
    flags = (*model_flags(tmp_path), "--max-seq-len", "1024", *AWQ)
    told = home.run(*EXAMPLES, *flags)
    settings = (
        "--arg quantization=int4_awq --arg max_model_len=1024 --arg max_concurrency=2048 "
        "--arg tensor_parallel_size=1 --arg chunked_prefill=true --arg prefix_caching=true"
    )
    lines = [
        f"scripts/serve triton --arg model={flags[1]} {settings}",
        f"scripts/serve tensorrt_llm --arg model={flags[1]} {settings} --arg engine_dir=auto",
    ]
    for line in lines:
        assert f"serve it with: {line}\n" in told
    results = home.build(*EXAMPLES, *flags).manifest.results
    assert results["serve"] == lines
    assert results["settings"]["max_concurrency"] == 2048
    off = home.build(*EXAMPLES, "--kv-cache-dtype", "int8").manifest.results["settings"]
    assert (off["chunked_prefill"], off["prefix_caching"]) == (False, False)


def test_quantized_checkpoints_are_compiled_as_they_are(home: Home, tmp_path: Path) -> None:
    for name, values in (("awq", AUTOAWQ), ("gptq", GPTQ)):
        flags = model_flags(tmp_path, quantization_config=values)
        assert home.build(*EXAMPLES, *flags).manifest.scheme == name
        shown = home.run("--dry-run", *EXAMPLES, *flags, "--quantization", name)
        assert "convert_checkpoint.py --model_dir SCRATCH/model" in shown
        assert_recorded(shown)


def test_the_texts_count_by_their_content(home: Home, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "One."}\n{"prompt": "Two?", "answer": "Three."}\n')
    calibration = (*EXAMPLES, *AWQ, "--calibration", str(texts))
    told = home.run(*calibration)
    assert "2 texts" in told
    first = home.build(*calibration)
    assert first.manifest.arguments["calibration_samples"] == 32
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(texts.read_bytes())
    assert home.build(*EXAMPLES, *AWQ, "--calibration", str(copy)).tag == first.tag
    copy.write_text('{"text": "Other."}\n')
    assert home.build(*EXAMPLES, *AWQ, "--calibration", str(copy)).tag != first.tag


def test_the_hub_is_asked_only_for_what_is_named(home: Home) -> None:
    named = (*EXAMPLES, *AWQ, "--calibration", "ccdv/cnn_dailymail")
    assert "--calib_dataset ccdv/cnn_dailymail" in home.run("--dry-run", *named)
    assert home.build(*named).manifest.arguments["calibration"] == "ccdv/cnn_dailymail"


def test_in_the_image_the_same_engine_is_made(
    home: Home, tmp_path: Path, docker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    shutil.copytree(DEMO_MODEL, blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for arguments in ((), AWQ, (*AWQ, "--calibration", "cnn_dailymail")):
        told = home.run("--model", str(snapshot), "--docker", *arguments)
        assert f"source={blobs},target={blobs},readonly" in told
        assert "--user" in told
        assert "hf_secret" not in told
        assert not (REPOSITORY / "model.cache").exists()
    shown = home.run("--dry-run", "--docker", *AWQ)
    assert shown.count("docker run --rm --init --gpus all --ipc=host --ulimit memlock=-1") == 2
    assert "release:1.2.1 python3 /app/tensorrt_llm/examples/quantization/quantize.py" in shown
    assert "release:1.2.1 trtllm-build --checkpoint_dir SCRATCH/checkpoint" in shown


def test_a_build_in_the_image_that_is_interrupted_ends_its_container(
    home: Home, docker: None
) -> None:
    home.trouble = "trtllm-build=hang"
    with home.start("--docker") as builder:
        tools = tool_of(builder)
        builder.send_signal(signal.SIGINT)
        builder.communicate(timeout=DEADLINE)
    eventually(lambda: gone(tools), DEADLINE, "the container has ended")
    assert home.left() == []
