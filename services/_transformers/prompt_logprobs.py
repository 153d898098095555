"""Log-probabilities of a prompt's tokens, which transformers' continuous batching does not give."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from common.engine import TokenLogprob

PIECE = 256
"""Tokens that are read at once: so many rows of logits over the vocabulary are in memory then."""


@torch.inference_mode()
def prompt_logprobs(
    network: Any, ids: Sequence[int], read_ids: Sequence[int], top: int
) -> list[TokenLogprob | None]:
    """Returns an entry per token with its `top` likeliest alternatives, None for the first. The
    network reads `read_ids`, in which images have ids of their own.

    Called in the generation thread, between two batches: what continuous batching sets up while
    it computes a batch would change what another thread reads.
    """
    entries: list[TokenLogprob | None] = [None]
    cache = DynamicCache(config=network.config)
    for start in range(0, len(ids) - 1, PIECE):
        following = ids[start + 1 : start + PIECE + 1]
        piece = torch.tensor([list(read_ids[start : start + PIECE])], device=network.device)
        logits = network(input_ids=piece, cache=cache, use_cache=True).logits[0, : len(following)]
        entries += _entries(logits.float().log_softmax(-1), following, top)
    return entries


def _entries(logprobs: torch.Tensor, chosen: Sequence[int], top: int) -> list[TokenLogprob]:
    own = logprobs.gather(1, torch.tensor(chosen, device=logprobs.device).unsqueeze(1))
    values, ids = logprobs.topk(min(top, logprobs.size(1)))
    rows = zip(chosen, own.tolist(), ids.tolist(), values.tolist(), strict=True)
    return [
        TokenLogprob(token_id, logprob, list(zip(likeliest, likely, strict=True)))
        for token_id, (logprob,), likeliest, likely in rows
    ]
