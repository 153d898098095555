"""A Llama model in numpy: one forward pass over the new tokens of many sequences."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.doubles.generation.weights import Array, add_adapter, read_weights

PREFILL_CHUNK = 512
"""Most new tokens of one sequence in one pass: bounds the memory that attention takes."""

FEW_ROWS = 20
SMALL_PRODUCT = 1_000_000
"""Multiplications up to which OpenBLAS takes its kernels for small matrices."""


class Cache:
    """Keys and values of one sequence, for at most `capacity` tokens; pages are touched late."""

    __slots__ = ("keys", "length", "values")

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.keys: Array = np.empty(shape, np.float32)
        self.values: Array = np.empty(shape, np.float32)
        self.length = 0


class Layer(NamedTuple):
    """Weights of one block, each matrix as (inputs, outputs)."""

    attention_norm: Array
    qkv: Array
    out: Array
    mlp_norm: Array
    gate_up: Array
    down: Array


class DemoModel:
    """Any Llama without RoPE scaling and biases; the demo model is one.

    Raises ValueError for another architecture.
    """

    def __init__(self, directory: Path, adapter: Path | None = None) -> None:
        config: dict[str, Any] = json.loads((directory / "config.json").read_text("utf-8"))
        if config["architectures"] != ["LlamaForCausalLM"] or config.get("rope_scaling"):
            raise ValueError(f"{directory} is no plain Llama model")
        self.vocab_size: int = config["vocab_size"]
        self.context: int = config["max_position_embeddings"]
        self._layer_count: int = config["num_hidden_layers"]
        self._heads: int = config["num_attention_heads"]
        self._kv_heads: int = config["num_key_value_heads"]
        self._head_dim: int = config["head_dim"]
        self._epsilon = np.float32(config["rms_norm_eps"])
        self._cos, self._sin = _rotations(self.context, self._head_dim, config["rope_theta"])
        self._mask = np.triu(np.full((PREFILL_CHUNK, PREFILL_CHUNK), -np.inf, np.float32), 1)
        weights = read_weights(directory / "model.safetensors")
        if adapter is not None:
            add_adapter(weights, adapter)
        self._embedding = weights["model.embed_tokens.weight"]
        self._layers = [_layer(weights, index) for index in range(self._layer_count)]
        self._norm_weight = weights["model.norm.weight"]
        head = self._embedding if config["tie_word_embeddings"] else weights["lm_head.weight"]
        self._head = np.ascontiguousarray(head.T)

    def cache(self, capacity: int) -> Cache:
        """An empty KV cache."""
        return Cache((self._layer_count, self._kv_heads, capacity, self._head_dim))

    def forward(self, pieces: Sequence[tuple[Cache, Sequence[int]]]) -> Array:
        """Logits after the last token of each piece, (pieces, vocabulary).

        A piece is a sequence's cache and its next 1 to PREFILL_CHUNK tokens. All matrix products
        are shared; only attention goes sequence by sequence.
        """
        counts = [len(ids) for _, ids in pieces]
        ends = np.cumsum(counts)
        spans = [
            (cache, slice(int(end) - count, int(end)))
            for (cache, _), end, count in zip(pieces, ends, counts, strict=True)
        ]
        positions = np.concatenate(
            [np.arange(c.length, c.length + n) for (c, _), n in zip(pieces, counts, strict=True)]
        )
        cos, sin = self._cos[positions, None], self._sin[positions, None]
        x = self._embedding[np.concatenate([np.asarray(ids, np.intp) for _, ids in pieces])]
        with np.errstate(over="ignore"):
            for index, layer in enumerate(self._layers):
                x = x + self._attention(index, layer, x, spans, cos, sin)
                x = x + self._mlp(layer, x)
        for (cache, _), count in zip(pieces, counts, strict=True):
            cache.length += count
        return _product(self._norm(x[ends - 1], self._norm_weight), self._head)

    def _norm(self, x: Array, weight: Array) -> Array:
        mean = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
        normed: Array = x * (1 / np.sqrt(mean + self._epsilon))[:, None] * weight
        return normed

    def _mlp(self, layer: Layer, x: Array) -> Array:
        gate, up = np.split(_product(self._norm(x, layer.mlp_norm), layer.gate_up), 2, axis=1)
        hidden: Array = gate / (1 + np.exp(-gate)) * up
        return _product(hidden, layer.down)

    def _attention(
        self,
        index: int,
        layer: Layer,
        x: Array,
        spans: Sequence[tuple[Cache, slice]],
        cos: Array,
        sin: Array,
    ) -> Array:
        qkv = _product(self._norm(x, layer.attention_norm), layer.qkv)
        qkv = qkv.reshape(len(x), -1, self._head_dim)
        rotated = _rotate(qkv[:, : self._heads + self._kv_heads], cos, sin)
        queries = rotated[:, : self._heads] * np.float32(self._head_dim**-0.5)
        keys = rotated[:, self._heads :]
        values = qkv[:, self._heads + self._kv_heads :]
        attended = np.empty((len(x), self._heads * self._head_dim), np.float32)
        for cache, span in spans:
            attended[span] = self._attend(cache, index, queries[span], keys[span], values[span])
        return _product(attended, layer.out)

    def _attend(
        self, cache: Cache, layer: int, queries: Array, keys: Array, values: Array
    ) -> Array:
        """Attention of one sequence's new tokens to all of it. Neighbouring query heads share
        one KV head."""
        count, start = len(queries), cache.length
        end = start + count
        cache.keys[layer, :, start:end] = keys.transpose(1, 0, 2)
        cache.values[layer, :, start:end] = values.transpose(1, 0, 2)
        groups = queries.reshape(count, self._kv_heads, -1, self._head_dim).transpose(1, 2, 0, 3)
        flat = groups.reshape(self._kv_heads, -1, self._head_dim)
        scores: Array = flat @ cache.keys[layer, :, :end].transpose(0, 2, 1)
        if count > 1:
            by_head = scores.reshape(self._kv_heads, -1, count, end)
            by_head[..., start:] += self._mask[:count, :count]
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed: Array = weights @ cache.values[layer, :, :end]
        mixed /= weights.sum(-1, keepdims=True)
        return mixed.reshape(groups.shape).transpose(2, 0, 1, 3).reshape(count, -1)


def _layer(weights: dict[str, Array], index: int) -> Layer:
    def matrix(*names: str) -> Array:
        parts = [weights[f"model.layers.{index}.{name}.weight"] for name in names]
        return np.ascontiguousarray(np.concatenate(parts).T)

    return Layer(
        attention_norm=weights[f"model.layers.{index}.input_layernorm.weight"],
        qkv=matrix("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=matrix("self_attn.o_proj"),
        mlp_norm=weights[f"model.layers.{index}.post_attention_layernorm.weight"],
        gate_up=matrix("mlp.gate_proj", "mlp.up_proj"),
        down=matrix("mlp.down_proj"),
    )


def _product(x: Array, matrix: Array) -> Array:
    """x @ matrix, for few rows in blocks that OpenBLAS multiplies without copying the matrix
    into another order first: half the time at 3 to 16 rows (measured)."""
    if not 2 < len(x) <= FEW_ROWS:
        return x @ matrix
    product = np.empty((len(x), matrix.shape[1]), np.float32)
    width = SMALL_PRODUCT // x.size
    for start in range(0, matrix.shape[1], width):
        block = slice(start, start + width)
        np.matmul(x, matrix[:, block], out=product[:, block])
    return product


def _rotations(positions: int, head_dim: int, theta: float) -> tuple[Array, Array]:
    """Cosine and sine of RoPE's angles, (positions, head_dim / 2)."""
    frequencies: NDArray[np.float64] = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = np.outer(np.arange(positions), frequencies)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    """RoPE in the layout of Llama checkpoints: element i is paired with i + head_dim / 2."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
