"""LoRA adapters in transformers' continuous batching: each token of a batch has its request's own.

PEFT chooses an adapter per row of a batch, and here all sequences stand in one row. It also puts
new modules into the model, which another thread may be computing with.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from common.errors import InvalidValue
from common.files import read_json
from common.models.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PART, Adapter, scaling

TOKEN_BITS = 19
"""A vocabulary has at most so many; what is above them in a 32-bit id is free for a number."""
NUMBER_BITS = 12


class Matrices(NamedTuple):
    """What an adapter has for one layer; `up` is scaled."""

    down: Tensor
    up: Tensor


class Group(NamedTuple):
    """The tokens of one adapter: where they are among all of a batch, and among those that get a
    next token, which alone reach the output layer."""

    layers: Mapping[Any, Matrices]
    tokens: Tensor | slice
    last: Tensor | slice


class BatchAdapters:
    """Adds to each linear layer's outputs what the adapters of the batch make of its inputs."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._linear = {
            name: module
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear | Conv1D) and ".experts." not in name
        }
        self._head = network.get_output_embeddings()
        self._loaded: dict[int, Mapping[Any, Matrices]] = {}
        self._groups: Sequence[Group] = ()
        self._batch: Any = None
        self._tokens = 0
        self._whole: Mapping[Any, Matrices] | None = None
        network.register_forward_pre_hook(self._before)
        for module in self._linear.values():
            module.register_forward_hook(self._add)

    def attach(self, batch_processor: Any) -> None:
        """Look up batches here, and keep the prefix cache of each adapter to itself."""
        self._batch, cache = batch_processor.inputs_and_outputs, batch_processor.cache
        search = cache.search_prefix_match
        cache.search_prefix_match = lambda request_id, ids: search(
            request_id, keyed(request_id, ids)
        )
        for allocator in cache.cache_allocators.values():
            _key_blocks(allocator)

    def load(self, adapter: Adapter) -> None:
        """Raises InvalidValue for a layer that the network has not."""
        config = read_json(adapter.path / ADAPTER_CONFIG)
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in load_file(adapter.path / ADAPTER_WEIGHTS).items():
            match = PART.fullmatch(name)
            assert match is not None
            parts.setdefault(match["module"], {})[match["part"]] = tensor
        layers: dict[Any, Matrices] = {}
        for module, both in parts.items():
            if module not in self._linear:
                raise InvalidValue(
                    f"{adapter.name!r} is not loaded: Transformers has no linear layer {module}",
                    param="lora_path",
                )
            up = both["B"] * scaling(config, module, both["A"].size(0))
            layers[self._linear[module]] = Matrices(self._placed(both["A"]), self._placed(up))
        self._loaded[adapter.number] = layers

    def unload(self, adapter: Adapter) -> None:
        self._loaded.pop(adapter.number, None)

    @contextmanager
    def alone(self, number: int) -> Iterator[None]:
        """Use one adapter, or none for 0, for all tokens, outside of batches."""
        self._whole = self._loaded.get(number, {})
        try:
            yield
        finally:
            self._whole = None

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._network.device, self._network.dtype)

    def _before(self, network: Any, inputs: Any) -> None:
        """Divides the tokens of a batch among its adapters, before it is computed."""
        if self._whole is not None:
            self._groups = [Group(self._whole, slice(None), slice(None))] if self._whole else ()
            return
        requests = () if self._batch is None else self._batch.requests_in_batch
        tokens: dict[int, list[int]] = {}
        last: dict[int, list[int]] = {}
        position = outputs = 0
        for request in requests:
            number, end = number_of(request.state.request_id), position + request.query_length
            if number:
                tokens.setdefault(number, []).extend(range(position, end))
                if request.has_new_token:
                    last.setdefault(number, []).append(outputs)
            position = end
            outputs += request.has_new_token
        self._tokens = position
        self._groups = [
            Group(
                self._loaded.get(number, {}),
                self._index(places),
                self._index(last.get(number, [])),
            )
            for number, places in tokens.items()
        ]

    def _index(self, places: list[int]) -> Tensor:
        return torch.tensor(places, dtype=torch.long, device=self._network.device)

    def _add(self, module: Any, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        for group in self._groups:
            matrices = group.layers.get(module)
            if matrices is None:
                continue
            hidden = inputs[0]
            cut = module is self._head and hidden.size(-2) != self._tokens
            places = group.last if cut else group.tokens
            added = hidden[..., places, :] @ matrices.down.T @ matrices.up.T
            outputs[..., places, :] += added.to(outputs.dtype)


def number_of(request_id: str) -> int:
    """Returns the number of the adapter, which begins the ids of the engine's requests: so it is
    known also once nobody waits for the answer any more. It is 0 without one."""
    number, sign, _ = request_id.partition(":")
    return int(number) if sign and number.isdigit() else 0


def keyed(request_id: str, ids: Sequence[int]) -> list[int]:
    """Returns the tokens of a prompt with the adapter in the first two, for a hash of them."""
    high, low = divmod(number_of(request_id), 2**NUMBER_BITS)
    parts = (low, high % 2**NUMBER_BITS)
    first = [token + (part << TOKEN_BITS) for token, part in zip(ids, parts, strict=False)]
    return [*first, *itertools.islice(ids, len(first), None)]


def _key_blocks(allocator: Any) -> None:
    mark = allocator.mark_complete_blocks
    allocator.mark_complete_blocks = lambda request_id, ids, count: mark(
        request_id, keyed(request_id, ids), count
    )
