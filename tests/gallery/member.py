"""A model directory in the form of a published family: what it is made of, and what is right."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from tests.gallery.vocabularies import KINDS
from tests.gallery.weights import write_weights

TEMPLATES = Path(__file__).with_name("templates")
SIZES: Mapping[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
"""Of every member whose config does not say otherwise."""
Place = Literal["config", "list", "jinja", "json", "folder"]
Begun = Literal["open", "closed", "unsaid"]
Weights = Literal["none", "one", "sharded", "bin"]


@dataclass(frozen=True)
class Member:
    """`config` is config.json without end tokens, sizes and vocab_size; the last two are written
    into `nested` where the config has that key, and left out where `sizes` is empty.
    `templates` are files of TEMPLATES by name.

    `config_ends` and `generation_ends` are the tokens that config.json and generation_config.json
    name, None for a file that is not there or says nothing. `unresized` are tokens that the model
    lacks. The template `reads_parts` as well as text, or `takes_parts` only, or it
    `takes_text_arguments` of tool calls.

    What follows is right: `ends`, `context`, `dtype`, `tools`, the format of `reasoning`, what the
    prompt of a question says of it, the `switch` that turns it off, and words of the warnings at
    start.
    """

    name: str
    config: Mapping[str, Any]
    tokens: tuple[str, ...]
    eos: str
    ends: tuple[str, ...]
    context: int
    templates: Mapping[str, str] = field(default_factory=dict)
    place: Place = "config"
    nested: str | None = None
    sizes: Mapping[str, Any] = field(default_factory=lambda: SIZES)
    bos: str | None = None
    tokenizer: str = "bytes"
    config_ends: tuple[str, ...] | None = ()
    generation_ends: tuple[str, ...] | None = None
    unresized: tuple[str, ...] = ()
    limit: float | None = None
    weights: Weights = "none"
    dtype: str = "bfloat16"
    tools: str | None = None
    reasoning: str | None = None
    begun: Begun = "unsaid"
    switch: str | None = None
    reads_parts: bool = False
    takes_parts: bool = False
    takes_text_arguments: bool = False
    warns: tuple[str, ...] = ()

    def make_tokenizer(self) -> Tokenizer:
        tokenizer = KINDS[self.tokenizer](self.tokens, self.bos)
        tokenizer.add_special_tokens(list(self.unresized))
        return tokenizer

    def ids(self, tokenizer: Tokenizer, tokens: tuple[str, ...]) -> list[int]:
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        return [vocabulary[token] for token in tokens]

    def build(self, folder: Path) -> Path:
        """Writes the directory and returns it."""
        folder.mkdir(parents=True)
        tokenizer = self.make_tokenizer()
        tokenizer.save(str(folder / "tokenizer.json"))
        config = self._config(tokenizer)
        _write(folder / "config.json", config)
        _write(folder / "tokenizer_config.json", self._tokenizer_config())
        if self.generation_ends is not None:
            ends = self.ids(tokenizer, self.generation_ends)
            _write(folder / "generation_config.json", {"eos_token_id": ends, "do_sample": True})
        self._write_templates(folder)
        write_weights(folder, config, self.weights, self.dtype)
        return folder

    def _config(self, tokenizer: Tokenizer) -> dict[str, Any]:
        config = json.loads(json.dumps(dict(self.config)))
        model = config.setdefault(self.nested, {}) if self.nested else config
        if self.sizes:
            model["vocab_size"] = tokenizer.get_vocab_size() - len(self.unresized)
        for key, value in self.sizes.items():
            model.setdefault(key, value)
        config = {key: value for key, value in config.items() if key != "torch_dtype" or value}
        ends = (self.eos,) if self.config_ends == () else self.config_ends
        if ends is not None:
            ids = self.ids(tokenizer, ends)
            config["eos_token_id"] = ids[0] if len(ids) == 1 else ids
        return config

    def _tokenizer_config(self) -> dict[str, Any]:
        limit = 10**30 if self.limit is None else self.limit
        named = {"bos_token": self.bos, "eos_token": self.eos, "model_max_length": limit}
        config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", **named}
        sources = self._sources()
        if self.place == "config":
            config["chat_template"] = sources["default"]
        if self.place == "list":
            config["chat_template"] = [{"name": n, "template": t} for n, t in sources.items()]
        return config

    def _sources(self) -> dict[str, str]:
        return {
            name: (TEMPLATES / f"{file}.jinja").read_text("utf-8")
            for name, file in self.templates.items()
        }

    def _write_templates(self, folder: Path) -> None:
        sources = self._sources()
        if self.place in ("jinja", "folder"):
            (folder / "chat_template.jinja").write_text(sources.pop("default"), "utf-8")
        if self.place == "json":
            _write(folder / "chat_template.json", {"chat_template": sources["default"]})
        if self.place == "folder":
            named = folder / "additional_chat_templates"
            named.mkdir()
            for name, source in sources.items():
                (named / f"{name}.jinja").write_text(source, "utf-8")


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
