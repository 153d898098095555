"""Attention over LMDeploy's paged cache in plain torch, one sequence after another."""

from typing import Any

import torch
from lmdeploy.pytorch.backends.attention import AttentionImpl
from torch.nn.functional import scaled_dot_product_attention


class PagedAttention(AttentionImpl):  # type: ignore[misc]
    """Without windows and quantized caches, which the demo model does not have."""

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        k_cache: Any,
        v_cache: Any,
        attn_metadata: Any,
        **_: Any,
    ) -> Any:
        """Writes the new keys and values into their blocks, and attends to all of a sequence.

        `query`, `key` and `value` have the new tokens of all sequences one behind the other.
        """
        output = query.new_empty(*query.shape[:-1], self.v_head_size)
        sequences = zip(
            attn_metadata.q_start_loc.tolist(),
            attn_metadata.q_seqlens.tolist(),
            attn_metadata.kv_seqlens.tolist(),
            attn_metadata.block_offsets.long(),
            strict=True,
        )
        for start, new, length, blocks in sequences:
            rows = slice(start, start + new)
            positions = torch.arange(length)
            block, place = blocks[positions // k_cache.size(1)], positions % k_cache.size(1)
            k_cache[block[-new:], place[-new:]] = key[rows]
            v_cache[block[-new:], place[-new:]] = value[rows]
            attended = scaled_dot_product_attention(
                query[None, rows].transpose(1, 2),
                k_cache[None, block, place].transpose(1, 2),
                v_cache[None, block, place].transpose(1, 2),
                attn_mask=positions <= positions[-new:, None],
                scale=self.scale,
                enable_gqa=True,
            )
            output[rows] = attended[0].transpose(0, 1)
        return output
