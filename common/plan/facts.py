"""What a plan has to know of a model: its config, its tensors and how they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json
from common.models.model import text_config
from common.plan.architectures import tensors_of, tied
from common.plan.checkpoint import Stored, quantization_config, stored
from common.plan.formats import predict
from common.plan.headers import read_directory, total_size
from common.plan.tensors import FLOATS, Tensor, loaded_size, size


@dataclass(frozen=True)
class ModelFacts:
    """`tensors` is None where no weight files were seen; `total` are the bytes of all of them, as
    an index tells them, where only that was seen."""

    name: str
    """As the user named it."""
    config: Mapping[str, Any]
    stored: Stored
    tensors: tuple[Tensor, ...] | None = None
    total: int | None = None

    @cached_property
    def text(self) -> Mapping[str, Any]:
        """The config of the language model."""
        return text_config(dict(self.config))

    @cached_property
    def model_type(self) -> str:
        return str(self.text.get("model_type") or self.config.get("model_type"))

    @cached_property
    def dtype(self) -> str:
        """Of the plain tensors, as the config names it."""
        found = self.text.get("dtype") or self.text.get("torch_dtype")
        found = str(found or "float32").removeprefix("torch.")
        return found if found in FLOATS else "float32"

    @cached_property
    def tied(self) -> bool:
        return tied({"model_type": self.model_type, **self.text})

    @cached_property
    def plain_tensors(self) -> tuple[Tensor, ...]:
        """As they are before any quantization. Raises NotUnderstood."""
        if self.stored.scheme == "none" and self.tensors is not None:
            return self.tensors
        return tensors_of({**self.text, "model_type": self.model_type}, self.dtype)

    @cached_property
    def file_bytes(self) -> int:
        """Of all tensors on disk. Raises NotUnderstood where that cannot be known."""
        if self.tensors is not None:
            return size(self.tensors)
        return self.total if self.total is not None else self.loaded_bytes(self.dtype)

    def loaded_bytes(self, dtype: str) -> int:
        """Of the weights in an engine that computes in `dtype`. Raises NotUnderstood."""
        if self.tensors is None and self.stored.scheme != "none":
            if self.total is not None:
                return self.total
            return self.predict(self._stored_scheme, self.stored.format, dtype)
        if self.tensors is None and self.total is not None and dtype == self.dtype:
            return self.total
        tensors = self.plain_tensors if self.tensors is None else self.tensors
        whole = (tensor for tensor in tensors if not (self.tied and tensor.kind == "head"))
        return sum(loaded_size(tensor, dtype) for tensor in whole)

    @property
    def _stored_scheme(self) -> str:
        """GPTQ's symmetric weights have no zeros, whatever made them."""
        symmetric = self.stored.scheme == "w4a16" and self.stored.symmetric
        return "gptq" if symmetric else self.stored.scheme

    def plain_bytes(self, dtype: str) -> int:
        """Of the weights before any quantization, in `dtype`. Raises NotUnderstood."""
        kept = (t for t in self.plain_tensors if not (self.tied and t.kind == "head"))
        return sum(loaded_size(tensor, dtype) for tensor in kept)

    def predict(self, scheme: str, form: str, dtype: str) -> int:
        """Bytes once quantized so. Raises NotUnderstood."""
        group = self.stored.group_size if self.stored.format == form else None
        return predict(
            self.plain_tensors, scheme, form, dtype=dtype, group_size=group, tied=self.tied
        )


def facts_of_directory(path: Path, name: str | None = None) -> ModelFacts:
    """From config.json and, where they are there, the headers of the weights. Raises StartError."""
    if not (path / "config.json").is_file():
        raise StartError(
            f"{path} has no config.json; needed is a model directory as save_pretrained() writes it"
        )
    config = read_json(path / "config.json")
    return ModelFacts(
        name or str(path),
        config,
        stored(quantization_config(config, path)),
        read_directory(path),
        total_size(path),
    )
