"""Whether backends were compared on equal terms: what of their runs agrees, and what does not."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.results.schema import Record, Result

NOT_TOLD = "not told"


class Term(Record):
    """One thing of the runs, with what it was for each backend. Where it `matters`, a comparison of
    backends that differ in it is not fair; the others are what is compared, or what may explain a
    difference."""

    name: str
    matters: bool
    values: Mapping[str, str]

    @property
    def differs(self) -> bool:
        return len(set(self.values.values())) > 1


def terms(results: Sequence[Result]) -> tuple[Term, ...]:
    """Returns the terms of results that are to be compared, one of each setting that any has."""
    settings = sorted({name for result in results for name in result.subject.settings})
    return (
        *(Term(name=n, matters=True, values=_values(results, get)) for n, get in EQUAL.items()),
        *(Term(name=n, matters=False, values=_values(results, get)) for n, get in OWN.items()),
        *(_setting(results, name) for name in settings),
    )


def unfair(results: Sequence[Result]) -> Iterator[str]:
    """Yields a sentence for each term that should agree and does not."""
    for term in terms(results):
        if term.matters and term.differs:
            each = ", ".join(f"{backend} {value}" for backend, value in term.values.items())
            yield f"{term.name}: {each}"
    if (unlike := token_ids_differ(results)) is not None:
        yield f"the same prompts have other token ids: {unlike}"


def token_ids_differ(results: Sequence[Result]) -> str | None:
    """Returns the hash of each backend, where prompts of the same text have other token ids."""
    by_prompts: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        load = result.load
        key = (result.subject.model, load.system_prompt, load.protocol, result.prompts.hash)
        by_prompts.setdefault(key, []).append(result)
    for same in by_prompts.values():
        ids = _values(same, lambda result: result.prompts.token_ids or NOT_TOLD)
        if len({*ids.values()} - {NOT_TOLD}) > 1:
            return ", ".join(f"{backend} {value}" for backend, value in ids.items())
    return None


def _setting(results: Sequence[Result], name: str) -> Term:
    values = _values(results, lambda result: result.subject.settings.get(name, "default"))
    return Term(name=f"setting {name}", matters=False, values=values)


def _values(results: Sequence[Result], get: Callable[[Result], str]) -> dict[str, str]:
    """Returns for each backend what its runs have; several values are in their order."""
    by_backend: dict[str, list[str]] = {}
    for result in results:
        values = by_backend.setdefault(result.subject.backend, [])
        if (value := get(result)) not in values:
            values.append(value)
    return {backend: "; ".join(sorted(values)) for backend, values in by_backend.items()}


def _sampling(result: Result) -> str:
    temperature = result.load.temperature
    return "the model's own" if temperature is None else f"temperature {temperature:g}"


def _length(result: Result) -> str:
    limit = result.load.max_tokens
    most = "as the prompts say" if limit is None else f"{limit} tokens"
    return f"{most}, end tokens ignored" if result.load.ignore_eos else f"at most {most}"


def _cached(result: Result) -> str:
    """Returns what share of the prompts the prefix cache knew, to a tenth."""
    cached, asked = result.plateau.cached_tokens, result.plateau.prompt_tokens
    return NOT_TOLD if cached is None or not asked else f"{round(cached / asked, 1):.0%}"


def _warm_up(result: Result) -> str:
    warmth, before = result.warmth, result.subject.runs_before
    parts = [NOT_TOLD if warmth is None else f"{warmth.requests} requests"]
    if before:
        parts.append("after other runs of the same start")
    if warmth is not None and warmth.cache_emptied:
        parts.append("then its cache was emptied")
    return ", ".join(parts)


EQUAL: Mapping[str, Callable[[Result], str]] = {
    "sampling": _sampling,
    "length of answers": _length,
    "warm-up": _warm_up,
    "GPUs": lambda result: ", ".join(result.environment.gpus) or "none",
    "driver": lambda result: result.environment.driver or "none",
    "host": lambda result: result.environment.host,
    "commit": lambda result: (result.environment.commit or NOT_TOLD)[:8],
}
OWN: Mapping[str, Callable[[Result], str]] = {
    "version": lambda result: result.subject.backend_version or NOT_TOLD,
    "quantization": lambda result: result.subject.quantization or NOT_TOLD,
    "prompts known to the prefix cache": _cached,
}
