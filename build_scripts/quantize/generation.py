"""Greedy answers to prompts of token ids."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

ROWS = 64
SPARE = 8
"""Tokens that a wrong answer may be longer than the right one."""


def greedy_answers(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], expected: Sequence[str]
) -> list[str]:
    """Returns the model's answer to each prompt, without the token that ends it.

    It is cut where it is a little longer than the one that is `expected`.
    """
    texts = [""] * len(prompts)
    # Only prompts of one length share a batch: padding would change what a 16-bit model rounds to.
    groups: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        groups[len(prompt)].append(index)
    for group in groups.values():
        for start in range(0, len(group), ROWS):
            rows = group[start : start + ROWS]
            longest = max(len(tokenizer.encode(expected[row]).ids) for row in rows)
            batch = [prompts[row] for row in rows]
            for row, ids in zip(rows, _generate(model, batch, longest + SPARE), strict=True):
                texts[row] = tokenizer.decode(ids, skip_special_tokens=False)
    return texts


def _generate(model: Any, prompts: list[list[int]], limit: int) -> list[list[int]]:
    import torch

    ids = torch.tensor(prompts, device=model.device)
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=limit,
            use_cache=True,
        )
    ends = _end_ids(model)
    return [_until(row, ends) for row in output[:, ids.shape[1] :].tolist()]


def _end_ids(model: Any) -> set[int]:
    ids = model.generation_config.eos_token_id
    return {ids} if isinstance(ids, int) else set(ids or ())


def _until(ids: list[int], ends: set[int]) -> list[int]:
    for index, token in enumerate(ids):
        if token in ends:
            return ids[:index]
    return ids
