"""One request as the tokenizer manager knows it, and the dicts it hands out."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

from .io_struct import GenerateReqInput, TokenIDOutput

Output = dict[str, Any]
SLICED = ("output_token_logprobs", "output_top_logprobs")
"""What is new only, where streaming is incremental; else all there is."""


class ReqState:
    def __init__(self, obj: GenerateReqInput, tokenizer: Any) -> None:
        self.obj = obj
        self.out_list: list[Output] = []
        self.finished = False
        self.event = asyncio.Event()
        self.dispatched = False
        self.abort_sent = False
        self.output_ids: list[int] = []
        self._tokenizer = tokenizer
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._text = ""
        self._logprobs: list[tuple[float, int, None]] = []
        self._top_logprobs: list[list[tuple[float, int, None]]] = []

    def take(self, item: TokenIDOutput, *, incremental: bool) -> None:
        """`output_ids` is one and the same list each time where streaming is not incremental."""
        offset = len(self.output_ids)
        self.output_ids.extend(item.output_ids)
        text = self._decoded(item.output_ids)
        self._text += text
        self._logprobs += [(value, token, None) for value, token in item.logprobs]
        self._top_logprobs += [
            [(value, token, None) for value, token in top] for top in item.top_logprobs
        ]
        self.finished = item.finished_reason is not None
        meta: Output = {
            "id": item.rid,
            "finish_reason": item.finished_reason,
            "prompt_tokens": item.prompt_tokens,
            "completion_tokens": item.completion_tokens,
            "cached_tokens": item.cached_tokens,
            **self._logprob_fields(),
        }
        ids = self.output_ids
        if incremental:
            ids = list(item.output_ids)
            meta.update({key: meta[key][offset:] for key in SLICED if key in meta})
        elif self.finished:
            ids = self.output_ids.copy()
        self._put({"output_ids": ids, "meta_info": meta}, text if incremental else self._text)

    def abort(self, reason: Output, *, incremental: bool) -> None:
        """The last token comes once more."""
        self.finished = True
        meta = {
            "id": self.obj.rid,
            "finish_reason": reason,
            "completion_tokens": len(self.output_ids),
            **self._logprob_fields(),
        }
        ids = self.output_ids[-1:] if incremental else self.output_ids
        self._put({"output_ids": ids, "meta_info": meta}, self._text)

    def _put(self, output: Output, text: str) -> None:
        if self._tokenizer is not None:
            output["text"] = text
        self.out_list.append(output)
        self.event.set()

    def _logprob_fields(self) -> Output:
        if not self.obj.return_logprob:
            return {}
        fields: Output = {"input_token_logprobs": [], "output_token_logprobs": self._logprobs}
        if self.obj.top_logprobs_num:
            fields["output_top_logprobs"] = self._top_logprobs
        return fields

    def _decoded(self, ids: Sequence[int]) -> str:
        if self._tokenizer is None:
            return ""
        return "".join(self._decoder.step(self._tokenizer.fast, token) or "" for token in ids)


def coalesce(outputs: Sequence[Output]) -> Output:
    """One of all that came while nobody looked."""
    output = dict(outputs[-1])
    metas = [each["meta_info"] for each in outputs]
    output["output_ids"] = [token for each in outputs for token in each["output_ids"]]
    if "text" in output:
        output["text"] = "".join(each["text"] for each in outputs)
    joined = {key: [one for meta in metas for one in meta.get(key, [])] for key in SLICED}
    output["meta_info"] = metas[-1] | {key: joined[key] for key in SLICED if key in metas[-1]}
    return output
