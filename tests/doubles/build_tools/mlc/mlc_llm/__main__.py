"""The commands of MLC-LLM that compile: they take the recorded flags and choices only, and write
what the real ones write, into the model's directory too."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.doubles.build_tools.behaviour import meet_trouble, parser

REPOSITORY = Path(__file__).parents[5]
CONTRACT = json.loads(
    (REPOSITORY / "tests" / "doubles" / "contracts" / "mlc_llm_tools.json").read_text("utf-8")
)
INDEX = "model.safetensors.index.json"
Options = dict[str, Any]


def convert_weight(options: Options, output: Path) -> None:
    model, source = Path(options["config"]), Path(options["source"] or "auto")
    if options["source_format"] == "awq":
        assert source.is_file(), f"Path {source} is not a file"
    elif not (model / INDEX).exists():
        (model / INDEX).write_text('{"weight_map": {}}')
    config = json.loads((model / "config.json").read_text())
    assert "rope_theta" in config, "a default is taken without a word"
    output.mkdir(parents=True, exist_ok=True)
    meet_trouble("convert_weight", output / "tensor-cache.json")
    (output / "params_shard_0.bin").write_bytes(b"weights")
    # What the double of the engine answers with.
    record = {"records": [], "model": str((model / "tokenizer.json").resolve().parent)}
    for file in model.glob("*.safetensors"):
        record["model"] = str(file.resolve().parent)
    (output / "tensor-cache.json").write_text(json.dumps(record))


def gen_config(options: Options, output: Path) -> None:
    model = Path(options["config"])
    config = json.loads((model / "config.json").read_text())
    meet_trouble("gen_config", output / "mlc-chat-config.json")
    window = int(options["context_window_size"] or config["max_position_embeddings"])
    shards, batch = (int(options[n]) for n in ("tensor_parallel_shards", "max_batch_size"))
    values = {
        "version": "0.1.0",
        "model_type": config["model_type"],
        "quantization": options["quantization"],
        "model_config": {"max_batch_size": batch, "context_window_size": window},
        "vocab_size": config["vocab_size"],
        "context_window_size": window,
        "sliding_window_size": -1,
        "prefill_chunk_size": int(options["prefill_chunk_size"] or min(window, 2048)),
        "attention_sink_size": -1,
        "tensor_parallel_shards": shards,
        "conv_template": {"name": options["conv_template"]},
        "tokenizer_files": ["tokenizer.json", "tokenizer_config.json"],
    }
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model / name, output / name)
    (output / "mlc-chat-config.json").write_text(json.dumps(values))


def compile_library(options: Options, output: Path) -> None:
    config = json.loads(Path(options["model"]).read_text())
    assert output.suffix == ".so"
    meet_trouble("compile", output)
    values = {
        "context_window_size": config["context_window_size"],
        "max_batch_size": config["model_config"]["max_batch_size"],
        "kv_cache_tokens": 524288,
    }
    output.write_text(json.dumps(values))


def calibrate(options: Options, output: Path) -> None:
    assert Path(options["model_lib"]).is_file()
    talks = json.loads(Path(options["dataset"]).read_text())
    assert len(talks) >= int(options["num_calibration_samples"])
    assert all(len(talk["conversations"]) >= 2 for talk in talks)
    meet_trouble("calibrate", output / "scales")
    (output / "params_shard_1.bin").write_bytes(b"scales")


def main(command: str, arguments: list[str]) -> None:
    options = vars(parser(command, CONTRACT[command]).parse_args(arguments))
    print(f"mlc_llm {command}", flush=True)
    run = {
        "convert_weight": convert_weight,
        "gen_config": gen_config,
        "compile": compile_library,
        "calibrate": calibrate,
    }[command]
    run(options, Path(options["output"]))


main(sys.argv[1], sys.argv[2:])
