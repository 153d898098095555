"""What is known of a model: its configuration, and its tensors where they were seen."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.errors import StartError
from common.models.architectures import EMBEDDING, tensors_of
from common.models.config import CONFIG, ModelConfig, read_config
from common.models.errors import NotUnderstood
from common.models.formats import predict
from common.models.headers import read_directory, total_size
from common.models.quantization import Quantization
from common.models.tensors import FLOATS, Tensor, loaded_size, main_float, size


@dataclass(frozen=True)
class ModelFacts:
    """`tensors` is None where no weight files were seen; `total` are the bytes of all of them by an
    index, where only that was seen."""

    name: str
    """The name that the user gave."""
    config: ModelConfig
    tensors: tuple[Tensor, ...] | None = None
    total: int | None = None

    @property
    def quantization(self) -> Quantization:
        return self.config.quantization

    @cached_property
    def dtype(self) -> str:
        """The number format of the plain tensors: the config's if it is one of FLOATS, else that of
        the files, else float32."""
        named = self.config.dtype
        return named if named in FLOATS else main_float(self.tensors or ()) or "float32"

    @cached_property
    def plain_tensors(self) -> tuple[Tensor, ...]:
        """The tensors as they are before any quantization. Raises NotUnderstood."""
        if self.quantization.scheme == "none" and self.tensors is not None:
            return self.tensors
        return tensors_of(self.config.text, self.dtype)

    @cached_property
    def file_bytes(self) -> int:
        """The bytes of all tensors on disk. Raises NotUnderstood where that cannot be known."""
        if self.tensors is not None:
            return size(self.tensors)
        return self.total if self.total is not None else self.loaded_bytes(self.dtype)

    def loaded_bytes(self, dtype: str) -> int:
        """Returns the bytes of the weights in an engine that computes in `dtype`.

        Raises NotUnderstood.
        """
        if self.tensors is None and self.quantization.scheme != "none":
            if self.total is not None:
                return self.total
            return self.predict(self._stored_scheme, self.quantization.format, dtype)
        if self.tensors is None and self.total is not None and dtype == self.dtype:
            return self.total
        tensors = self.plain_tensors if self.tensors is None else self.tensors
        return self._size(tensors, dtype)

    @property
    def _stored_scheme(self) -> str:
        """GPTQ's symmetric weights have no zeros, whichever tool wrote them."""
        symmetric = self.quantization.scheme == "w4a16" and self.quantization.symmetric
        return "gptq" if symmetric else self.quantization.scheme

    def plain_bytes(self, dtype: str) -> int:
        """Returns the bytes of the weights before any quantization, in `dtype`.

        Raises NotUnderstood.
        """
        return self._size(self.plain_tensors, dtype)

    def _size(self, tensors: tuple[Tensor, ...], dtype: str) -> int:
        tied = self.config.tied
        return sum(loaded_size(t, dtype) for t in tensors if not (tied and t.kind == "head"))

    def predict(self, scheme: str, form: str, dtype: str) -> int:
        """Returns the bytes of the weights once quantized so. Raises NotUnderstood."""
        group = self.quantization.group_size if self.quantization.format == form else None
        tensors, tied = self.plain_tensors, self.config.tied
        return predict(tensors, scheme, form, dtype=dtype, group_size=group, tied=tied)


def facts_of_directory(path: Path, name: str | None = None) -> ModelFacts:
    """Reads the configuration and, where they are there, the headers of the weights.

    Raises StartError.
    """
    if not (path / CONFIG).is_file():
        raise StartError(
            f"{path} has no config.json; needed is a model directory as save_pretrained() writes it"
        )
    facts = ModelFacts(name or str(path), read_config(path), read_directory(path), total_size(path))
    _check_whole(facts, path)
    return facts


def _check_whole(facts: ModelFacts, path: Path) -> None:
    """Raises StartError where files of plain weights lack some of those that the config implies:
    not every engine looks, and one that does not computes with random numbers.

    Files that name their weights otherwise than the model's family are not judged.
    """
    if facts.tensors is None or facts.quantization.scheme != "none":
        return
    names = {tensor.name for tensor in facts.tensors}
    try:
        expected = {tensor.name for tensor in tensors_of(facts.config.text, facts.dtype)}
    except NotUnderstood:
        return
    missing = expected - names
    if missing and EMBEDDING in names:
        raise StartError(
            f"{path}: its files lack {len(missing)} of the model's weights, such as "
            f"{min(missing)}; fetch the model again, or mend its config.json"
        )
