"""How sure a model is: by how much the right token's logit leads the best other one."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from build_scripts.demo_model.batches import IGNORED, Batch, cut_batches
from build_scripts.demo_model.chat_format import encode_example
from build_scripts.demo_model.question import Question

_TOKEN_BUDGET = 8192


def answer_logits(model: LlamaForCausalLM, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 logits [answer tokens, vocabulary] and the right ids [answer tokens] of a batch."""
    # Rows are padded on the right, so a causal model needs no attention mask.
    hidden = model.model(batch.inputs, use_cache=False).last_hidden_state
    learned = batch.targets != IGNORED
    return model.lm_head(hidden[learned]).float(), batch.targets[learned]


def leads(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The right logit minus the best other one, shape [answer tokens]; negative if wrong."""
    right = logits.gather(1, targets[:, None])
    others = logits.scatter(1, targets[:, None], float("-inf"))
    return right[:, 0] - others.amax(dim=1)


def smallest_leads(
    model: LlamaForCausalLM, tokenizer: Tokenizer, questions: Sequence[Question]
) -> list[float]:
    """Returns for each question the smallest lead over the tokens that the assistant writes in
    it."""
    examples = [encode_example(tokenizer, question) for question in questions]
    smallest = [float("inf")] * len(questions)
    for batch in cut_batches(examples, _TOKEN_BUDGET):
        with torch.no_grad():
            values = leads(*answer_logits(model, batch)).tolist()
        counts = (batch.targets != IGNORED).sum(dim=1).tolist()
        for row, count in zip(batch.rows, counts, strict=True):
            smallest[row] = min(values[:count])
            values = values[count:]
    return smallest
