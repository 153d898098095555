"""TensorRT-LLM's build tools: they take the recorded flags, and write what the real ones write."""

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
SWITCHES = ("--use_weight_only", "--int8_kv_cache")


def options(program: str) -> dict[str, Any]:
    """The command line, which may hold recorded flags and choices only."""
    recorded = CONTRACT[program]
    names = [*recorded["flags"], *recorded.get("plugin_flags", [])]
    flags: dict[str, object] = {name: True if name in SWITCHES else None for name in names}
    for name in ("qformat", "kv_cache_dtype"):
        if name in recorded:
            flags[f"--{name}"] = recorded[name]
    return vars(parser(program, flags).parse_args())


def make_checkpoint(program: str) -> None:
    """Of the model's own config, with a file of weights per GPU."""
    given = options(program)
    output = Path(given["output_dir"])
    meet_trouble(program, output / "rank0.safetensors")
    config = json.loads((Path(given["model_dir"]) / "config.json").read_text("utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    size = int(given["tp_size"])
    values = {
        "dtype": given["dtype"],
        "vocab_size": config["vocab_size"],
        "max_position_embeddings": config["max_position_embeddings"],
        "mapping": {"world_size": size, "tp_size": size, "pp_size": 1},
        "quantization": {"quant_algo": given.get("qformat")},
    }
    (output / "config.json").write_text(json.dumps(values), "utf-8")
    for rank in range(size):
        (output / f"rank{rank}.safetensors").write_bytes(os.urandom(64))


def build() -> None:
    program = "trtllm-build"
    given = options(program)
    output = Path(given["output_dir"])
    checkpoint = json.loads((Path(given["checkpoint_dir"]) / "config.json").read_text("utf-8"))
    print("[TRT-LLM] [I] building", flush=True)
    meet_trouble(program, output / "rank0.engine")
    length = given["max_seq_len"] or checkpoint["max_position_embeddings"]
    paged = given["use_paged_context_fmha"] == "enable"
    values = {
        "version": "1.2.1",
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
        (output / f"rank{rank}.engine").write_bytes(os.urandom(64))
