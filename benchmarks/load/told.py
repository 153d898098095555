"""A result in a few lines, for a person."""

from benchmarks.results.schema import Distribution, Phase, Result


def told(result: Result) -> str:
    """Of the plateau; times in milliseconds."""
    plateau, verdict = result.plateau, result.verdict
    lines = [
        f"{plateau.tokens_per_second:,.1f} tokens/s, {plateau.requests_per_second:.2f} requests/s, "
        f"{verdict.users_reached:.1f} in flight ({result.subject.backend}, {result.subject.model})",
        *_latencies(plateau),
        f"outcomes: {', '.join(f'{n} {name}' for name, n in plateau.outcomes.items()) or 'none'}",
    ]
    if plateau.goodput is not None:
        lines.append(f"goodput: {plateau.goodput:.2f} requests/s within the limits")
    price = result.cost.per_million_output_tokens
    if price is not None:
        lines.append(f"cost: {price:.2f} per million output tokens")
    lines += [f"warning: {warning}" for warning in verdict.warnings]
    lines += [f"void: {reason}" for reason in verdict.reasons]
    return "\n".join(lines)


def _latencies(plateau: Phase) -> list[str]:
    named = {
        "TTFT": plateau.ttft,
        "TPOT": plateau.tpot,
        _gap_name(plateau): plateau.gap,
        "end to end": plateau.end_to_end,
    }
    return [_row(name, values) for name, values in named.items() if values is not None]


def _gap_name(plateau: Phase) -> str:
    """Between chunks of several tokens it is no inter-token latency."""
    each = plateau.tokens_per_chunk
    return "ITL" if each is not None and abs(each - 1) < 0.01 else "inter-chunk"


def _row(name: str, values: Distribution) -> str:
    shown = {"mean": values.mean, "p50": values.p50, "p90": values.p90, "p99": values.p99}
    return f"{name:>12}: " + ", ".join(f"{key} {at * 1000:,.1f} ms" for key, at in shown.items())
