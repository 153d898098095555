"""Greedy answers to questions, compared letter by letter."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROWS = 64
SPARE = 8
"""Tokens that a wrong answer may be longer than the right one."""


def right_answers(model: Any, tokenizer: Path, questions: Sequence[dict[str, Any]]) -> int:
    """Returns how many of `questions`, token ids with answers of text, are answered exactly."""
    from tokenizers import Tokenizer

    fast = Tokenizer.from_file(str(tokenizer))
    right = 0
    # Only prompts of one length share a batch: padding would change what a 16-bit model rounds to.
    groups: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for question in questions:
        groups[len(question["prompt"])].append(question)
    for group in groups.values():
        for start in range(0, len(group), ROWS):
            right += _right(model, fast, group[start : start + ROWS])
    return right


def _right(model: Any, tokenizer: Any, questions: list[dict[str, Any]]) -> int:
    import torch

    prompts = torch.tensor([question["prompt"] for question in questions], device=model.device)
    answers = [question["answer"] for question in questions]
    longest = max(len(tokenizer.encode(answer).ids) for answer in answers)
    with torch.inference_mode():
        output = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            max_new_tokens=longest + SPARE,
            use_cache=True,
        )
    rows = output[:, prompts.shape[1] :].tolist()
    ends = _end_ids(model)
    texts = (tokenizer.decode(_until(ids, ends), skip_special_tokens=False) for ids in rows)
    return sum(text == answer for text, answer in zip(texts, answers, strict=True))


def _end_ids(model: Any) -> set[int]:
    ids = model.generation_config.eos_token_id
    return {ids} if isinstance(ids, int) else set(ids or ())


def _until(ids: list[int], ends: set[int]) -> list[int]:
    for index, token in enumerate(ids):
        if token in ends:
            return ids[:index]
    return ids
