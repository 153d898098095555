"""LMDeploy's operators in plain torch, which it has itself but for attention and seeded draws.

CPU_DEVICE_FAILS_AT is the number of the forward pass in which the device breaks.
"""

import itertools
import os
import sys
from typing import Any

import torch
from lmdeploy.pytorch.backends.attention import AttentionMetadata, PagedAttentionBuildSpec
from lmdeploy.pytorch.backends.default import DefaultOpsBackend
from lmdeploy.pytorch.backends.multinomial_sampling import (
    MultinomialSamplingBuildSpec,
    MultinomialSamplingImpl,
)

from .attention import PagedAttention

FAILS_AT = int(os.environ.get("CPU_DEVICE_FAILS_AT", sys.maxsize))
PRIME = 1_000_003


class SeededDraws(MultinomialSamplingImpl):  # type: ignore[misc]
    def forward(self, scores: Any, seeds: Any, offsets: Any, indices: Any = None) -> Any:
        """Returns a token per row; the same for the same seed and count of tokens before it."""
        generators = [
            torch.Generator().manual_seed(seed * PRIME + offset & 2**63 - 1)
            for seed, offset in zip(seeds.tolist(), offsets.tolist(), strict=True)
        ]
        places = torch.stack(
            [
                torch.multinomial(row, 1, generator=generator)
                for row, generator in zip(scores, generators, strict=True)
            ]
        )
        return (places if indices is None else indices.gather(1, places)).view(-1)


class CpuOperators(DefaultOpsBackend):  # type: ignore[misc]
    passes = itertools.count(1)

    @classmethod
    def build_op(cls, spec: Any, *, enable_deterministic: bool = False) -> Any:
        if isinstance(spec, PagedAttentionBuildSpec):
            return PagedAttention(
                spec.num_heads, spec.head_dim, spec.scale, spec.num_kv_heads, spec.v_head_dim
            )
        if isinstance(spec, MultinomialSamplingBuildSpec):
            return SeededDraws()
        return super().build_op(spec, enable_deterministic=enable_deterministic)

    @staticmethod
    def get_attention_metadata_cls() -> Any:
        return AttentionMetadata

    @classmethod
    def update_step_context(cls, step_context: Any) -> Any:
        """Called before each forward pass."""
        if next(cls.passes) == FAILS_AT:
            raise RuntimeError("CUDA error: device-side assert triggered")
        step_context.attn_metadata = AttentionMetadata(
            is_decoding=step_context.is_decoding,
            block_offsets=step_context.block_offsets,
            q_start_loc=step_context.q_start_loc,
            q_seqlens=step_context.q_seqlens,
            kv_seqlens=step_context.kv_seqlens,
        )
        return step_context
