"""Trains the model on varied questions, more often on those it is least sure of."""

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from build_scripts.demo_model.architecture import new_model
from build_scripts.demo_model.augmentation import Augmenter
from build_scripts.demo_model.batches import Batch, cut_batches
from build_scripts.demo_model.chat_format import encode_example
from build_scripts.demo_model.corpus import all_questions, training_wordings
from build_scripts.demo_model.margins import answer_logits, leads, smallest_leads

THREADS = 2

_TOKEN_BUDGET = 4096
_DRAW = 512
_PEAK_RATE = 1.5e-3
_WARMUP_STEPS = 50
_WANTED_LEAD = 10.0
_LEAD_WEIGHT = 0.05
_FOCUS_FROM = 0.4
_FOCUS_EVERY = 150
_REPORT_EVERY = 50


@dataclass
class _Sampler:
    """Draws batches of varied questions; `weights` say how often each question comes."""

    tokenizer: Tokenizer
    rng: random.Random

    def __post_init__(self) -> None:
        self.questions = [*all_questions(), *training_wordings()]
        self.weights = [1.0] * len(self.questions)
        self._augmenter = Augmenter.of(all_questions(), self.rng)

    def batches(self) -> Iterator[Batch]:
        """Endless batches, each of similar lengths, in random order."""
        while True:
            drawn = self.rng.choices(self.questions, self.weights, k=_DRAW)
            varied = [self._augmenter.vary(question) for question in drawn]
            examples = [encode_example(self.tokenizer, question) for question in varied]
            batches = list(cut_batches(examples, _TOKEN_BUDGET))
            self.rng.shuffle(batches)
            yield from batches

    def focus(self, model: LlamaForCausalLM) -> float:
        """Raises the weights of questions with a small lead; returns the smallest lead."""
        varied = [self._augmenter.vary(question) for question in self.questions]
        with _mixed_precision():
            leads = smallest_leads(model, self.tokenizer, varied)
        self.weights = [1.0 + max(0.0, _WANTED_LEAD - max(lead, 0.0)) / 2 for lead in leads]
        return min(leads)


def train(tokenizer: Tokenizer, *, seed: int, steps: int) -> LlamaForCausalLM:
    """The trained fp32 model; prints step, loss and seconds as it goes."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    model = new_model()
    model.train()
    sampler = _Sampler(tokenizer, random.Random(seed))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=_PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.05
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    started = time.monotonic()
    batches = sampler.batches()
    for step in range(1, steps + 1):
        loss = _step(model, optimizer, next(batches))
        scheduler.step()
        if step % _REPORT_EVERY == 0 or step == steps:
            elapsed = time.monotonic() - started
            print(f"step {step}/{steps}  loss {loss:.4f}  {elapsed:.0f} s", flush=True)
        if step >= _FOCUS_FROM * steps and step % _FOCUS_EVERY == 0:
            print(f"step {step}/{steps}  smallest lead {sampler.focus(model):.2f}", flush=True)
    model.train(False)
    return model


def _step(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """One update; returns the cross-entropy, without the term that widens small leads."""
    with _mixed_precision():
        logits, targets = answer_logits(model, batch)
    cross_entropy = torch.nn.functional.cross_entropy(logits, targets)
    missing = (_WANTED_LEAD - leads(logits, targets)).clamp(min=0).mean()
    torch.autograd.backward(cross_entropy + _LEAD_WEIGHT * missing)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return float(cross_entropy.item())


def _mixed_precision() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def _rate(step: int, steps: int) -> float:
    """The share of the peak learning rate: a linear rise, then a cosine down to 2 %."""
    if step < _WARMUP_STEPS:
        return (step + 1) / _WARMUP_STEPS
    progress = (step - _WARMUP_STEPS) / max(1, steps - _WARMUP_STEPS)
    return 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2
