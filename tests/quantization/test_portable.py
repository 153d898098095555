"""A model that transformers 5 has written is read by the transformers 4 of AutoAWQ, too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.models.model import DEMO_MODEL
from common.models.portable import complete, config_for_both, copy_texts, stage
from tests.service_process import REPOSITORY

WRITE = """
import sys
from transformers import AutoTokenizer, LlamaConfig
model, target = sys.argv[1:]
config = LlamaConfig(
    rope_parameters={
        "rope_type": "linear", "rope_theta": 12345.0, "factor": 2.0
    },
    dtype="bfloat16",
)
config.architectures = ["LlamaForCausalLM"]
config.save_pretrained(target)
AutoTokenizer.from_pretrained(model).save_pretrained(target)
"""
READ = """
import json, sys
from transformers import AutoConfig, AutoTokenizer
config = AutoConfig.from_pretrained(sys.argv[1])
rope = getattr(config, "rope_parameters", None) or {
    "rope_theta": config.rope_theta, **config.rope_scaling
}
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print(json.dumps({
    "rope": [rope["rope_theta"], rope["rope_type"], rope["factor"]],
    "dtype": str(getattr(config, "dtype", None) or config.torch_dtype).removeprefix("torch."),
    "ids": tokenizer("<|im_start|>user", add_special_tokens=False)["input_ids"],
    "prompt": tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], tokenize=False, add_generation_prompt=True
    ),
}))
"""


def run(python: str | Path, code: str, *arguments: Path) -> str:
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By the transformers 5 of this environment."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("written")
    run(sys.executable, WRITE, DEMO_MODEL, folder)
    return folder


def test_both_read_the_same(written: Path, tmp_path: Path, home: Path) -> None:
    assert "TokenizersBackend" in (written / "tokenizer_config.json").read_text("utf-8")
    copy_texts(written, tmp_path)
    old = run(REPOSITORY / ".venv-autoawq" / "bin" / "python", READ, tmp_path)
    new = run(sys.executable, READ, tmp_path)
    read: dict[str, Any] = json.loads(new)
    assert json.loads(old) == read
    assert read["rope"] == [12345.0, "linear", 2.0]
    assert read["dtype"] == "bfloat16"
    assert len(read["ids"]) == 2


def test_what_transformers_4_reads_stays_as_it_is() -> None:
    config = {"torch_dtype": "float16", "rope_theta": 5e5, "rope_scaling": None}
    assert config_for_both(config) == {**config, "dtype": "float16"}


def test_of_what_a_tool_writes_only_the_quantization_is_taken(tmp_path: Path) -> None:
    quantization = {"quant_method": "awq", "bits": 4}
    written = {"quantization_config": quantization, "use_cache": False, "vocab_size": 1}
    (tmp_path / "config.json").write_text(json.dumps(written))
    complete(DEMO_MODEL, tmp_path, dtype="float16")
    own = json.loads((DEMO_MODEL / "config.json").read_text())
    dtypes = {"dtype": "float16", "torch_dtype": "float16"}
    expected = {**own, **dtypes, "quantization_config": quantization}
    assert json.loads((tmp_path / "config.json").read_text()) == expected
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_parts_of_a_config_are_written_for_both_too() -> None:
    rope = {
        "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    text = {"model_type": "gemma3_text", "dtype": "bfloat16", "rope_parameters": rope}
    both = config_for_both({"model_type": "gemma3", "text_config": text})["text_config"]
    assert both == {
        **text,
        "torch_dtype": "bfloat16",
        "rope_theta": 1e6,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        "rope_local_base_freq": 1e4,
    }


def test_a_staged_model_names_the_number_format_that_is_asked_for(tmp_path: Path) -> None:
    text = {"model_type": "llama", "torch_dtype": "float32"}
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text(json.dumps({"model_type": "llava", "text_config": text}))
    (source / "model.safetensors").touch()
    staged = stage(source, tmp_path / "staged", "bfloat16")
    read = json.loads((staged / "config.json").read_text())
    assert {part["torch_dtype"] for part in (read, read["text_config"])} == {"bfloat16"}
    assert (staged / "model.safetensors").is_symlink()
    assert json.loads((source / "config.json").read_text())["text_config"] == text
