"""TensorRT-LLM's build tools: they take the recorded flags and choices only, and write what the
real ones write."""

import json
import os
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[4]
sys.path.insert(0, str(REPOSITORY))

from tests.doubles.build_tools.behaviour import meet_trouble, parser  # noqa: E402

CONTRACT = json.loads(
    (REPOSITORY / "tests" / "doubles" / "contracts" / "trtllm_tools.json").read_text("utf-8")
)
OFFLINE = "HF_HUB_OFFLINE"


def convert(family: str) -> None:
    given = vars(parser("convert", CONTRACT[f"{family}/convert_checkpoint.py"]).parse_args())
    gpus = int(given["world_size" if family == "gemma" else "tp_size"])
    config = json.loads((Path(given["model_dir"]) / "config.json").read_text("utf-8"))
    method = (config.get("quantization_config") or {}).get("quant_method")
    only = {"int8": "W8A16", "int4": "W4A16"}
    algorithm = only[given["weight_only_precision"]] if given["use_weight_only"] else None
    _write("convert_checkpoint.py", given, config, gpus, "W4A16_GPTQ" if method else algorithm)


def quantize() -> None:
    given = vars(parser("quantize.py", CONTRACT["quantize.py"]).parse_args())
    assert "mpt" not in given["model_dir"], "taken for an MPT model"
    dataset = Path(given["calib_dataset"])
    if dataset.is_dir():
        assert os.environ[OFFLINE] == "1"
        lines = (dataset / "train.jsonl").read_text("utf-8").splitlines()
        assert all(isinstance(json.loads(line)["text"], str) for line in lines)
        print(f"{len(lines)} texts", flush=True)
    else:
        assert "cnn_dailymail" in given["calib_dataset"]
        assert OFFLINE not in os.environ
    config = json.loads((Path(given["model_dir"]) / "config.json").read_text("utf-8"))
    _write("quantize.py", given, config, int(given["tp_size"]), given["qformat"])


def _write(
    program: str, given: dict[str, Any], config: dict[str, Any], gpus: int, algorithm: str | None
) -> None:
    """A checkpoint of the model's own config, with a file of weights per GPU."""
    output = Path(given["output_dir"])
    assert "rope_theta" in config, "a default is taken without a word"
    meet_trouble(program, output / "rank0.safetensors")
    output.mkdir(parents=True, exist_ok=True)
    values = {
        "architecture": "LlamaForCausalLM",
        "dtype": given["dtype"],
        "vocab_size": config["vocab_size"],
        "max_position_embeddings": config["max_position_embeddings"],
        "mapping": {"world_size": gpus, "tp_size": gpus, "pp_size": 1},
        "quantization": {"quant_algo": algorithm, "kv": given.get("kv_cache_dtype")},
    }
    (output / "config.json").write_text(json.dumps(values), "utf-8")
    for rank in range(gpus):
        (output / f"rank{rank}.safetensors").write_bytes(os.urandom(64))


def build() -> None:
    program = "trtllm-build"
    given = vars(parser(program, CONTRACT[program]).parse_args())
    output = Path(given["output_dir"])
    checkpoint = json.loads((Path(given["checkpoint_dir"]) / "config.json").read_text("utf-8"))
    if given["multiple_profiles"] == "enable" and given["opt_num_tokens"] is not None:
        raise RuntimeError("multiple_profiles is enabled, while opt_num_tokens is set")
    print("[TRT-LLM] [I] building", flush=True)
    Path(given["output_timing_cache"] or "model.cache").write_bytes(b"timing")
    meet_trouble(program, output / "rank0.engine")
    length = given["max_seq_len"] or checkpoint["max_position_embeddings"]
    paged = given["use_paged_context_fmha"] == "enable"
    values = {
        "version": os.environ.get("DOUBLE_ENGINE_VERSION", "1.2.1"),
        "pretrained_config": checkpoint,
        "build_config": {
            "max_seq_len": int(length),
            "max_batch_size": int(given["max_batch_size"]),
            "max_num_tokens": int(given["max_num_tokens"]),
            "plugin_config": {"use_paged_context_fmha": paged},
        },
    }
    (output / "config.json").write_text(json.dumps(values), "utf-8")
    for rank in range(checkpoint["mapping"]["world_size"]):
        (output / f"rank{rank}.engine").write_text(os.environ.get("DOUBLE_MODEL", "engine"))
