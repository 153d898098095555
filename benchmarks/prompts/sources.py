"""Prompts by the name of their source: a file, the repository's own, dolly, or synthetic ones."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.prompts.builtin import FILE, NAME
from benchmarks.prompts.parsing import ParsedFile, read_lines, read_sharegpt
from benchmarks.prompts.prompt_set import BadPrompts, Prompt, PromptSet
from benchmarks.prompts.synthetic import synthetic
from benchmarks.prompts.token_counts import TokenCounter
from benchmarks.prompts.traces import trace_prompts
from benchmarks.prompts.workloads import workload_prompts
from common.messages import one_line

DOLLY, SHAREGPT, SYNTHETIC = "dolly", "sharegpt:", "synthetic:"
TRACE, WORKLOAD = "trace:", "workload:"
GENERATED = (SYNTHETIC, TRACE, WORKLOAD)
"""Sources whose prompts are made, each of a length of its own."""
DOLLY_REPOSITORY, DOLLY_FILE = "databricks/databricks-dolly-15k", "databricks-dolly-15k.jsonl"
SYNTHETIC_COUNT = 200


def load_prompts(
    source: str,
    *,
    min_tokens: int | None = None,
    max_tokens: int | None = None,
    min_words: int | None = None,
    max_words: int | None = None,
    count: int | None = None,
    seed: int = 0,
    tokenizer: TokenCounter | None = None,
    seconds: float | None = None,
) -> PromptSet:
    """Returns the prompts of builtin, dolly, sharegpt:FILE, synthetic:TOKENS, workload:NAME,
    trace:FILE, of whose time the first `seconds` are taken, or a JSON Lines file.

    Prompts whose first turn has fewer than `min_tokens` or more than `max_tokens` are left out, and
    likewise by words; `count` keeps so many, chosen by `seed`. Raises BadPrompts.
    """
    if count is not None and count < 1:
        raise BadPrompts(f"a count of {count} prompts: it is at least 1")
    if source.startswith(GENERATED):
        if any(limit is not None for limit in (min_tokens, max_tokens, min_words, max_words)):
            raise BadPrompts(f"{source} says their length: leave other limits out")
        return _generated(source, count, seed, _required(tokenizer, source), seconds)
    parsed = _parsed(source)
    fitting = _fitting(parsed.prompts, min_words, max_words, _words)
    if min_tokens is not None or max_tokens is not None:
        fitting = _fitting(fitting, min_tokens, max_tokens, _required(tokenizer, source))
    if not fitting:
        which = "of that length" if parsed.prompts else "that can be used"
        raise BadPrompts(f"{source} has no prompt {which}{parsed.first_error}")
    skipped = parsed.skipped + len(parsed.prompts) - len(fitting)
    complete = PromptSet(source=_name(source), prompts=tuple(fitting), skipped=skipped)
    if count is None or count >= len(fitting):
        return complete
    order = complete.order(seed)
    return complete.model_copy(update={"prompts": tuple(order[index] for index in range(count))})


def _generated(
    source: str, count: int | None, seed: int, tokenizer: TokenCounter, seconds: float | None
) -> PromptSet:
    """Returns prompts of words without a meaning, which have the lengths that the source says."""
    if source.startswith(TRACE):
        trace = trace_prompts(Path(source.removeprefix(TRACE)), count, tokenizer, seconds)
        return trace.model_copy(update={"source": _name(source)})
    number = count or SYNTHETIC_COUNT
    if source.startswith(WORKLOAD):
        prompts = workload_prompts(source.removeprefix(WORKLOAD), number, seed, tokenizer)
    else:
        prompts = synthetic(_length(source), number, seed, tokenizer)
    return PromptSet(source=source, prompts=prompts)


def _parsed(source: str) -> ParsedFile:
    if source == NAME:
        return read_lines(FILE)
    if source == DOLLY:
        return read_lines(_download_dolly())
    if source.startswith(SHAREGPT):
        return read_sharegpt(Path(source.removeprefix(SHAREGPT)))
    return read_lines(Path(source))


def _download_dolly() -> Path:
    """Returns the file in the hub's cache; raises BadPrompts where it cannot be fetched."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(hf_hub_download(DOLLY_REPOSITORY, DOLLY_FILE, repo_type="dataset"))
    except (OSError, HfHubHTTPError, ValueError) as error:
        reason = one_line(error)
        raise BadPrompts(
            f"prompts {DOLLY}: {DOLLY_REPOSITORY} cannot be fetched from the hub ({reason}); give "
            f"a copy of its {DOLLY_FILE} as the source, or use builtin"
        ) from None


def _name(source: str) -> str:
    """Returns the source without the folder of a file: a result names no folder of this machine."""
    kind, colon, path = source.rpartition(":")
    return f"{kind}{colon}{Path(path).name}"


def _fitting(
    prompts: Iterable[Prompt], minimum: int | None, maximum: int | None, length: TokenCounter
) -> list[Prompt]:
    """Returns each prompt once, if its first turn is neither too short nor too long."""
    unique = list({prompt.id: prompt for prompt in prompts}.values())
    if minimum is None and maximum is None:
        return unique
    high = float("inf") if maximum is None else maximum
    return [prompt for prompt in unique if (minimum or 0) <= length(prompt.turns[0]) <= high]


def _words(text: str) -> int:
    return len(text.split())


def _length(source: str) -> int:
    text = source.removeprefix(SYNTHETIC)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise BadPrompts(f"{source!r}: allowed is synthetic:TOKENS, such as synthetic:2048")
    return int(text)


def _required(tokenizer: TokenCounter | None, source: str) -> TokenCounter:
    if tokenizer is None:
        raise BadPrompts(f"{source}: lengths in tokens need a tokenizer")
    return tokenizer
