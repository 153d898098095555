"""Traces of real services: when requests came, how long they and their answers were.

Two formats are read. Azure's (AzurePublicDataset, AzureLLMInferenceTrace) is CSV with the columns
TIMESTAMP, ContextTokens and GeneratedTokens. Mooncake's (kvcache-ai/Mooncake) is JSON Lines with
timestamp in milliseconds, input_length, output_length and hash_ids, one for each block of 512
tokens of the prompt.
"""

import csv
import json
import math
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from benchmarks.prompts.parsing import read_text, warn_of
from benchmarks.prompts.prompt_set import BadPrompts, Prompt, PromptSet, TraceRequest
from benchmarks.prompts.sized_text import TextMaker
from benchmarks.prompts.token_counts import TokenCounter

AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOONCAKE = ("timestamp", "input_length", "output_length")
BLOCK = 512
"""Tokens of each of Mooncake's hash_ids, but for the last one."""
FORMATS = f"allowed are CSV with {', '.join(AZURE)}, and JSON Lines with {', '.join(MOONCAKE)}"


def trace_prompts(
    path: Path, count: int | None, tokenizer: TokenCounter, seconds: float | None
) -> PromptSet:
    """Returns the first `count` requests of a trace that came in its first `seconds`, with prompts
    of their lengths, each limited to the recorded length of its answer. Raises BadPrompts."""
    requests, skipped = read_trace(path)
    due = takewhile(lambda request: seconds is None or request.at < seconds, requests)
    chosen = tuple(due)[:count]
    maker = TextMaker(tokenizer)
    prompts = tuple(
        Prompt.of([_text(maker, request, number)], request.output_tokens)
        for number, request in enumerate(chosen)
    )
    return PromptSet(source=str(path), prompts=prompts, skipped=skipped, trace=chosen)


def read_trace(path: Path) -> tuple[tuple[TraceRequest, ...], int]:
    """Returns the requests in the order of their times, the first at 0, and how many bad lines were
    left out, of which it warns on standard error. Raises BadPrompts for a file without any."""
    text = read_text(path)
    requests, errors = [], []
    for number, row in _rows(path, text):
        try:
            requests.append(_request(row))
        except (KeyError, TypeError, ValueError) as error:
            errors.append(f"line {number}: {_reason(error)}")
    warn_of(path, errors)
    if not requests:
        raise BadPrompts(f"{path} has no request: {errors[0] if errors else FORMATS}")
    first = min(request.at for request in requests)
    shifted = (r.model_copy(update={"at": r.at - first}) for r in requests)
    return tuple(sorted(shifted, key=lambda request: request.at)), len(errors)


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yields each line with its number; None for one that is no object. Raises BadPrompts."""
    if text.lstrip().startswith("{"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, _json(line)
        return
    reader = csv.DictReader(text.splitlines())
    if not {*AZURE} <= {*(reader.fieldnames or ())}:
        raise BadPrompts(f"{path} is no trace: {FORMATS}")
    for row in reader:
        yield reader.line_num, row


def _json(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _request(row: dict[str, Any] | None) -> TraceRequest:
    """Returns the request of a line. Raises KeyError, TypeError or ValueError."""
    if row is None:
        raise ValueError("is no JSON object")
    if AZURE[0] in row:
        at = datetime.fromisoformat(row[AZURE[0]]).timestamp()
        return TraceRequest(at=at, **_lengths(row, *AZURE[1:]))
    at = float(row[MOONCAKE[0]]) / 1000
    lengths = _lengths(row, *MOONCAKE[1:])
    blocks = tuple(map(int, row.get("hash_ids") or ()))
    wanted = math.ceil(lengths["input_tokens"] / BLOCK)
    if blocks and len(blocks) != wanted:
        raise ValueError(f"has {len(blocks)} hash_ids for {wanted} blocks of {BLOCK} tokens")
    if not math.isfinite(at):
        raise ValueError(f"timestamp is {at}")
    return TraceRequest(at=at, blocks=blocks, **lengths)


def _lengths(row: dict[str, Any], prompt: str, answer: str) -> dict[str, int]:
    lengths = {"input_tokens": int(row[prompt]), "output_tokens": int(row[answer])}
    if min(lengths.values()) < 1:
        raise ValueError(f"{prompt} and {answer} have to be at least 1")
    return lengths


def _reason(error: Exception) -> str:
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)


def _text(maker: TextMaker, request: TraceRequest, number: int) -> str:
    """Returns a prompt, which shares its beginning with those that have the same first blocks."""
    if not request.blocks:
        return maker.text(f"request {number}", request.input_tokens).strip()
    last = request.input_tokens - BLOCK * (len(request.blocks) - 1)
    sizes = [BLOCK] * (len(request.blocks) - 1) + [last]
    blocks = zip(request.blocks, sizes, strict=True)
    return "".join(maker.text(f"block {block}", size) for block, size in blocks).strip()
