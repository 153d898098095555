"""What is read from the directory of a compiled engine; the refusals are tested with services."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.settings import Settings
from services._compiled.tensorrt_engine import check_engine_dir, check_gpu, check_settings
from tests.gpus import put_gpus
from tests.service_process import REPOSITORY

ENGINE = REPOSITORY / "tests" / "doubles" / "triton" / "engine"


def engine(folder: Path, manifest: dict[str, Any] | None, **pretrained: Any) -> Path:
    config = json.loads((ENGINE / "config.json").read_text())
    config["pretrained_config"] |= pretrained
    (folder / "config.json").write_text(json.dumps(config))
    for rank in range(config["pretrained_config"]["mapping"]["world_size"]):
        (folder / f"rank{rank}.engine").touch()
    if manifest is not None:
        (folder / "build.json").write_text(json.dumps(manifest))
    return folder


def test_its_limits_are_read() -> None:
    config = check_engine_dir(ENGINE)
    assert (config.max_seq_len, config.max_batch_size, config.tp_size) == (4096, 256, 1)
    assert (config.version, config.record.compute_capability) == ("1.2.1", "8.0")
    assert config.paged_context_fmha


def test_the_vocabulary_is_padded_to_a_multiple_of_the_gpus(tmp_path: Path) -> None:
    mapping = {"world_size": 2, "tp_size": 2, "pp_size": 1}
    config = check_engine_dir(engine(tmp_path, None, vocab_size=769, mapping=mapping))
    assert config.vocab_size_padded == 770
    check_settings(config, Settings(tensor_parallel_size=2))
    with pytest.raises(StartError, match=r"'tensor_parallel_size': 1, .* allowed is 2"):
        check_settings(config, Settings())


@pytest.mark.parametrize("asked", ["awq", "int4_awq", "W4A16_AWQ", "auto", None])
def test_a_scheme_may_have_our_name_or_its_own(tmp_path: Path, asked: str | None) -> None:
    config = check_engine_dir(engine(tmp_path, None, quantization={"quant_algo": "W4A16_AWQ"}))
    check_settings(config, Settings(quantization=asked))
    with pytest.raises(StartError, match=r"'quantization': 'fp8', but .* has 'W4A16_AWQ'"):
        check_settings(config, Settings(quantization="fp8"))


def test_each_gpu_needs_its_file(tmp_path: Path) -> None:
    engine(tmp_path, None, mapping={"world_size": 2, "tp_size": 2})
    (tmp_path / "rank1.engine").unlink()
    with pytest.raises(StartError, match=r"has no rank1\.engine; compile one with"):
        check_engine_dir(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"pretrained_config": 5, "build_config": {}}'])
def test_another_kind_of_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(StartError, match=r"config\.json"):
        check_engine_dir(tmp_path)


def test_both_architectures_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "engine"
    folder.mkdir()
    manifest = {"compute_capability": "8.0", "gpu": "NVIDIA A100"}
    config = check_engine_dir(engine(folder, manifest))
    put_gpus(monkeypatch, "NVIDIA A100, 8.0")
    check_gpu(config)
    put_gpus(monkeypatch, "NVIDIA A100, 8.0", "NVIDIA H100, 9.0")
    with pytest.raises(StartError, match=r"8\.0 \(NVIDIA A100\) and .* 9\.0 \(NVIDIA H100\)"):
        check_gpu(config)


def test_no_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    config = check_engine_dir(ENGINE)
    put_gpus(monkeypatch)
    with pytest.raises(
        StartError, match=r"needs a GPU of compute capability 8\.0 .* none here \(.*Not Loaded"
    ):
        check_gpu(config)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(StartError, match="nvidia-ml-py is not installed"):
        check_gpu(config)


def test_only_the_gpus_that_may_be_used_count(monkeypatch: pytest.MonkeyPatch) -> None:
    config = check_engine_dir(ENGINE)
    put_gpus(monkeypatch, "B, 9.0", "A, 8.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    check_gpu(config)


def test_an_engine_without_a_manifest_is_left_to_tensorrt(tmp_path: Path) -> None:
    check_gpu(check_engine_dir(engine(tmp_path, None)))
