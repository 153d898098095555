"""Chooses each sequence's next token for transformers' continuous batching.

Its own processors know temperature, top_k and top_p only, and all requests share one random stream.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
)

from common.engine import TokenLogprob
from common.sampling import Sampling
from services._transformers.adapters import BatchAdapters
from services._transformers.prompt_logprobs import prompt_logprobs

TINY = 1e-30


class Row:
    """One sequence: its sampling values, the number of its adapter, 0 for none, and its chosen
    tokens so far."""

    def __init__(
        self,
        sampling: Sampling,
        prompt_ids: Sequence[int],
        read_ids: Sequence[int],
        adapter: int,
        vocab_size: int,
        device: torch.device,
    ) -> None:
        self.sampling = sampling
        self.adapter = adapter
        self.length = 0
        self.logprobs: list[TokenLogprob] = []
        self.unread = (prompt_ids, read_ids) if sampling.prompt_logprobs is not None else None
        self.prompt_logprobs: list[TokenLogprob | None] | None = None
        self.generator: torch.Generator | None = None
        if sampling.seed is not None:
            self.generator = torch.Generator(device).manual_seed(sampling.seed % 2**63)
        self.filters = sampling.top_k > 0 or sampling.top_p < 1 or sampling.min_p > 0
        end_ids = [token_id for token_id in sampling.end_token_ids if 0 <= token_id < vocab_size]
        self.end_ids = torch.tensor(end_ids, dtype=torch.long, device=device)
        self.bias: Tensor | None = None
        if sampling.logit_bias:
            self.bias = torch.zeros(vocab_size, device=device)
            ids = torch.tensor(list(sampling.logit_bias), device=device)
            self.bias[ids] = torch.tensor(list(sampling.logit_bias.values()), device=device)
        self.barred: Tensor | None = None
        if sampling.allowed_token_ids:
            self.barred = torch.ones(vocab_size, dtype=torch.bool, device=device)
            self.barred[torch.tensor(sampling.allowed_token_ids, device=device)] = False
        self.tokens: list[int] = []
        self.counts: Tensor | None = None
        if (
            sampling.repetition_penalty != 1
            or sampling.presence_penalty != 0
            or sampling.frequency_penalty != 0
        ):
            self.counts = torch.zeros(vocab_size, device=device)
            self.in_prompt = torch.zeros(vocab_size, dtype=torch.bool, device=device)
            self.in_prompt[torch.tensor(list(prompt_ids), device=device)] = True

    def adjust(self, logits: Tensor) -> None:
        """Apply, in place, what changes logits for greedy and drawn tokens alike."""
        sampling = self.sampling
        if self.bias is not None:
            logits.add_(self.bias)
        if self.barred is not None:
            logits.masked_fill_(self.barred, -torch.inf)
        for *start, last in sampling.bad_words:
            if self.tokens[len(self.tokens) - len(start) :] == start:
                logits[last] = -torch.inf
        if self.length < sampling.min_tokens:
            logits[self.end_ids] = -torch.inf
        if self.counts is not None:
            generated = self.counts > 0
            penalty = sampling.repetition_penalty
            penalized = torch.where(logits > 0, logits / penalty, logits * penalty)
            logits.copy_(torch.where(generated | self.in_prompt, penalized, logits))
            logits.sub_(sampling.frequency_penalty * self.counts)
            logits.sub_(sampling.presence_penalty * generated)

    def read_prompt(self, network: Any, adapters: BatchAdapters | None) -> None:
        """Computes the log-probabilities of the prompt, once, where they are asked for."""
        if self.unread is not None:
            top = self.sampling.prompt_logprobs or 0
            with nullcontext() if adapters is None else adapters.alone(self.adapter):
                self.prompt_logprobs = prompt_logprobs(network, *self.unread, top)
            self.unread = None

    def record(self, token_id: int, logprobs: Tensor | None) -> None:
        self.length += 1
        if self.sampling.bad_words:
            self.tokens.append(token_id)
        if self.counts is not None:
            self.counts[token_id] += 1
        if logprobs is None:
            return
        values, ids = logprobs.topk(min(self.sampling.logprobs or 0, len(logprobs)))
        top = list(zip(ids.tolist(), values.tolist(), strict=True))
        self.logprobs.append(TokenLogprob(token_id, float(logprobs[token_id]), top))


class Sampler(ContinuousBatchingLogitsProcessor):
    """Returns logits whose argmax is the chosen token: exact for greedy, drawn for the others.

    `rows` is written by the event loop and read by the generation thread. It needs the tokens of
    the last step on the host, so neither asynchronous batching nor CUDA graphs.
    """

    supported_kwargs: dict[str, type] = {}
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self, network: Any, seed: int, adapters: BatchAdapters | None) -> None:
        self.rows: dict[str, Row] = {}
        self.vocab_size = network.config.get_text_config().vocab_size
        self.device = device = network.device
        self._network = network
        self._adapters = adapters
        self._generator = torch.Generator(device).manual_seed(seed)
        self._cancelled = self.new_row(Sampling(max_tokens=1, temperature=0), (), ())
        self._batch: list[Row] = []

    def new_row(
        self,
        sampling: Sampling,
        prompt_ids: Sequence[int],
        read_ids: Sequence[int],
        adapter: int = 0,
    ) -> Row:
        """`read_ids` are those of the prompt as the network reads them: images have their own."""
        return Row(sampling, prompt_ids, read_ids, adapter, self.vocab_size, self.device)

    def fill_defaults(self, int32_tensor: Tensor) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Tensor:
        ids = [request.state.request_id for request in requests_with_new_token]
        self._batch = [self.rows.get(request_id, self._cancelled) for request_id in ids]
        return torch.zeros(len(ids), dtype=torch.int32)

    def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
        rows = self._batch
        # One score per sequence of the batch, but a prompt not yet read to its end has no row.
        logits = scores[: len(rows)]
        logprobs = {
            i: logits[i].log_softmax(-1)
            for i, row in enumerate(rows)
            if row.sampling.logprobs is not None
        }
        for i, row in enumerate(rows):
            row.read_prompt(self._network, self._adapters)
            row.adjust(logits[i])
        tokens = logits.argmax(-1)
        drawn = [i for i, row in enumerate(rows) if row.sampling.temperature > 0]
        if drawn:
            tokens[drawn] = self._draw(logits[drawn], [rows[i] for i in drawn])
        for i, (row, token_id) in enumerate(zip(rows, tokens.tolist(), strict=True)):
            row.record(token_id, logprobs.get(i))
        logits.scatter_(1, tokens.unsqueeze(1), torch.inf)
        return scores

    def _draw(self, scores: Tensor, rows: list[Row]) -> Tensor:
        """Returns a token id per row, by the exponential race: argmax of probability / noise."""
        scores = scores / self._column([row.sampling.temperature for row in rows])
        ids = None
        if any(row.filters for row in rows):
            scores, ids = self._filter(scores, rows)
        noise = torch.empty_like(scores).exponential_(generator=self._generator)
        for i, row in enumerate(rows):
            if row.generator is not None:
                # For every token of the vocabulary: the same numbers whatever shares the batch.
                own = torch.empty(self.vocab_size, device=self.device)
                own.exponential_(generator=row.generator)
                noise[i] = own if ids is None else own[ids[i]]
        choice = (scores.softmax(-1) / noise.clamp_min(TINY)).argmax(-1, keepdim=True)
        return (choice if ids is None else ids.gather(1, choice)).squeeze(1)

    def _filter(self, scores: Tensor, rows: list[Row]) -> tuple[Tensor, Tensor]:
        """Returns the likeliest scores with their ids, -inf where a filter rules them out.

        top_p is applied to what top_k and min_p leave, as vLLM does.
        """
        top_ks = [row.sampling.top_k or self.vocab_size for row in rows]
        scores, ids = scores.topk(min(max(top_ks), self.vocab_size), dim=-1)
        rank = torch.arange(scores.size(1), device=self.device)
        min_p = self._column([row.sampling.min_p for row in rows])
        keep = (rank < self._column(top_ks)) & (scores >= scores[:, :1] + min_p.log())
        likelihood = scores.masked_fill(~keep, -torch.inf).softmax(-1)
        # Rounding takes the cumulative sum to 1 before the last tokens: 1 has to mean off.
        top_p = self._column([p if (p := row.sampling.top_p) < 1 else 2 for row in rows])
        keep &= likelihood.cumsum(-1) - likelihood < top_p
        return scores.masked_fill(~keep, -torch.inf), ids

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device).unsqueeze(1)
