"""An engine is made by TensorRT-LLM's own tools, for one kind of GPU, or one line says why not."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from build_scripts.builder import cli
from build_scripts.builder.source import open_source
from build_scripts.trtllm.__main__ import add_options
from build_scripts.trtllm.recipe import MODULE, TensorRTEngine
from build_scripts.trtllm.tables import FAMILIES, SCHEMES
from common.models.model import DEMO_MODEL
from tests.builder.support import Home, gone, tool_of
from tests.limits import DEADLINE
from tests.service_process import REPOSITORY, eventually

DOUBLE = REPOSITORY / "tests" / "doubles" / "build_tools" / "trtllm"
CONTRACT = json.loads((REPOSITORY / "tests/doubles/contracts/trtllm_tools.json").read_text())
EXAMPLES = ("--examples", str(DOUBLE / "examples"))
AWQ = ("--quantization", "int4_awq")
AUTOAWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PATH", f"{DOUBLE / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(DOUBLE / "site"))
    return Home(tmp_path / "home", "build_scripts.trtllm")


def model(folder: Path, **values: Any) -> tuple[str, str]:
    """The demo model with another config."""
    path = Path(shutil.copytree(DEMO_MODEL, folder / "model", dirs_exist_ok=True))
    config = json.loads((path / "config.json").read_text()) | values
    (path / "config.json").write_text(json.dumps(config))
    return ("--model", str(path))


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
    monkeypatch.setenv("DOUBLE_COMPUTE_CAPABILITY", str(capability))
    monkeypatch.setenv("PATH", str(DOUBLE / "gpu"))
    flags = model(tmp_path, model_type=family)
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
    monkeypatch.setenv("DOUBLE_COMPUTE_CAPABILITY", "9.0")
    shown = home.run("--dry-run", *EXAMPLES, *arguments)
    assert f"--use_paged_context_fmha {paged}" in shown
    assert f"--max_num_tokens {tokens} " in shown


def test_another_gpu_has_another_engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = home.build(*EXAMPLES).tag
    monkeypatch.setenv("DOUBLE_COMPUTE_CAPABILITY", "9.0")
    assert home.build(*EXAMPLES).tag != first


def test_how_it_is_served_is_told(home: Home, tmp_path: Path) -> None:
    flags = (*model(tmp_path), "--max-seq-len", "1024", *AWQ)
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
        flags = model(tmp_path, quantization_config=values)
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


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is here and TensorRT-LLM is not."""
    folders = (DOUBLE / "docker", DOUBLE / "gpu")
    path = os.environ["PATH"].partition(os.pathsep)[2]
    monkeypatch.setenv("PATH", os.pathsep.join((*map(str, folders), path)))


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


@pytest.mark.parametrize("tool", ["convert_checkpoint.py", "trtllm-build"])
@pytest.mark.parametrize("trouble", ["halfway", "disk", "nothing"])
def test_a_tool_in_trouble_leaves_nothing(home: Home, tool: str, trouble: str) -> None:
    home.trouble = f"{tool}={trouble}"
    line = home.refusal(*EXAMPLES)
    assert "the log is" in line or "has ended without" in line
    assert home.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_ends_its_tool(home: Home, number: signal.Signals) -> None:
    home.trouble = "trtllm-build=hang"
    with home.start(*EXAMPLES) as builder:
        tools = tool_of(builder)
        builder.send_signal(number)
        builder.communicate(timeout=DEADLINE)
    eventually(lambda: gone(tools), DEADLINE, "the tool has ended")
    assert not [name for name in home.left() if name.startswith("models")]


REFUSED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "fp8 on Ampere": (
        "8.0",
        ("--quantization", "fp8"),
        "needs compute capability 8.9 or more, and Double GPU has 8.0; what works is none",
    ),
    "awq on Blackwell": ("10.0", AWQ, "8.0 or more, among 8.x, 9.x, and Double GPU has 10.0"),
    "before Ampere": ("7.5", (), "needs compute capability 8.0 or more"),
    "int8 cache on Blackwell": ("10.0", ("--kv-cache-dtype", "int8"), "fp8 works"),
    "profiles": ("8.0", (*AWQ, "--opt-num-tokens", "64"), "add --multiple-profiles disable"),
    "texts": ("8.0", ("--calibration", "texts"), "--calibration has no effect"),
    "no texts": ("8.0", (*AWQ, "--calibration", "texts"), "there is no file"),
    "more texts": ("8.0", (*AWQ, "--calibration-samples", "99"), "at most 32 are used"),
    "context": ("8.0", ("--max-seq-len", "999999"), "is more than the model's"),
    "prompt": ("8.0", ("--max-seq-len", "64", "--max-input-len", "65"), "is more than --max-seq"),
    "heads": ("8.0", ("--tensor-parallel-size", "3"), "does not divide 4 heads"),
    "groups": (
        "8.0",
        (*AWQ, "--tensor-parallel-size", "4"),
        "groups of 128 do not fill heads x head_dim = 256 on each of 4 GPUs",
    ),
    "release": ("8.0", ("--docker", "some/image:1.4.0"), "TensorRT-LLM is 1.4.0 here; needed is"),
    "no release": ("8.0", ("--docker", "host:5000/image"), "is of unknown version here"),
    "pages": (
        "9.0",
        (*AWQ, "--kv-cache-dtype", "fp8", "--use-paged-context-fmha", "enable"),
        "does not go with --kv-cache-dtype fp8 and --quantization int4_awq",
    ),
    "checkpoint": ("8.0", ("--quantization", "awq"), "and this is not quantized"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_compiled_is_one_line_before_any_work(
    home: Home, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    capability, arguments, told = REFUSED[mistake]
    monkeypatch.setenv("DOUBLE_COMPUTE_CAPABILITY", capability)
    if "--docker" in arguments:
        monkeypatch.setenv("PATH", f"{DOUBLE / 'docker'}{os.pathsep}{os.environ['PATH']}")
    assert told in home.refusal(*EXAMPLES, *arguments)
    assert home.left() == []


MODELS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "family": ({"model_type": "mamba"}, (), "mamba models are not compiled here; allowed are"),
    "scheme": ({"model_type": "phi3"}, AWQ, "TensorRT-LLM has it not for phi3; allowed are none"),
    "quantized already": (
        {"quantization_config": AUTOAWQ},
        AWQ,
        "needs plain weights, and these are awq; name the model that they were made from, or "
        "leave out --quantization",
    ),
    "compressed-tensors": (
        {"quantization_config": {"quant_method": "compressed-tensors"}},
        (),
        "checkpoints that are compressed-tensors are not converted; allowed are plain weights, awq",
    ),
    "act-order": (
        {"quantization_config": {**GPTQ, "desc_act": True}},
        (),
        "GPTQ with desc_act is not converted",
    ),
    "group": ({"quantization_config": {**AUTOAWQ, "group_size": 32}}, (), "allowed are 64, 128"),
    "cache": (
        {"quantization_config": AUTOAWQ},
        ("--kv-cache-dtype", "int8"),
        "is measured on plain weights",
    ),
    "columns": ({"intermediate_size": 700}, AWQ, "do not fill intermediate_size = 700"),
    "code": ({"auto_map": {"AutoConfig": "a.B"}}, (), "add --trust-remote-code"),
}


@pytest.mark.parametrize("mistake", MODELS)
def test_a_model_that_is_not_compiled_is_one_line(home: Home, tmp_path: Path, mistake: str) -> None:
    values, arguments, told = MODELS[mistake]
    assert told in home.refusal(*EXAMPLES, *model(tmp_path, **values), *arguments)


def test_an_empty_text_and_a_mistaken_path_are_told(home: Home, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert "is empty" in home.refusal(*EXAMPLES, *AWQ, "--calibration", str(empty))
    prompts = Path(shutil.copytree(DEMO_MODEL, tmp_path / "prompts"))
    line = home.refusal(*EXAMPLES, *AWQ, "--model", str(prompts))
    assert "takes the model for an MPT model" in line
    assert home.left() == []
    home.build(*EXAMPLES, "--model", str(prompts))


def test_tools_that_are_missing_or_of_another_release(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "--examples is not given; run this where" in home.refusal()
    assert "there is no /nowhere/quantization/quantize.py" in home.refusal("--examples", "/nowhere")
    checkout = tmp_path / "source"
    shutil.copytree(DOUBLE / "examples", checkout / "examples")
    (checkout / "tensorrt_llm").mkdir()
    (checkout / "tensorrt_llm" / "version.py").write_text('__version__ = "1.2.0rc8"\n')
    line = home.refusal("--examples", str(checkout / "examples"))
    assert "are of TensorRT-LLM 1.2.0rc8 here; needed is 1.2.1" in line
    monkeypatch.setenv("DOUBLE_ENGINE_VERSION", "1.1.0")
    assert "has made an engine of TensorRT-LLM 1.1.0, not 1.2.1" in home.refusal(*EXAMPLES)
    monkeypatch.setenv("PYTHONPATH", str(DOUBLE / "other_site"))
    assert "TensorRT-LLM is 1.3.0 here; needed is 1.2.1" in home.refusal(*EXAMPLES)
    monkeypatch.setenv("PATH", str(DOUBLE / "gpu"))
    assert "trtllm-build is not on PATH; run this where" in home.refusal(*EXAMPLES)
    assert "docker is not on PATH; run this where" in home.refusal("--docker")
    shown = home.run("--dry-run", *AWQ)
    assert "python3 EXAMPLES/quantization/quantize.py" in shown
    assert "cannot be built here: trtllm-build is not on PATH" in shown
