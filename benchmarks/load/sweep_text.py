"""A sweep in a few lines, for a person: its answer, and the runs that lead to it."""

from collections.abc import Sequence

from benchmarks.load.sweep_spec import LIMIT_NAMES, set_limits
from benchmarks.results.sweep import Sweep, SweepStep
from benchmarks.words import counted


def is_void(sweep: Sweep) -> bool:
    """Returns whether its answer is bounded by a void run, which tells nothing of the server."""
    return not sweep.steps or any(step.void for step in _bounding(sweep))


def sweep_text(sweep: Sweep) -> str:
    """Returns the answer, a line for each run, and why the search ended."""
    lines = [answer(sweep), *_table(sweep)]
    if sweep.end is not None:
        lines.append(f"end: {sweep.end}")
    return "\n".join(lines)


def answer(sweep: Sweep) -> str:
    """Returns the highest load that keeps the limits, and what the next one breaks."""
    within = f"within {limits_text(sweep)}"
    if sweep.highest is None:
        if sweep.lowest_broken is None:
            return f"no load was measured {within}"
        return f"no load is {within}: {_level(sweep, sweep.lowest_broken)} {_why(sweep)}"
    sentence = f"the highest load {within}: {_level(sweep, sweep.highest)}"
    if sweep.lowest_broken is None:
        return f"{sentence}; nothing above was tried"
    return f"{sentence}; {_level(sweep, sweep.lowest_broken)} {_why(sweep)}"


def breaking(sweep: Sweep) -> str:
    """Returns what the next load above the highest good one breaks; empty where none was tried."""
    return _why(sweep) if sweep.lowest_broken is not None else ""


def limits_text(sweep: Sweep) -> str:
    """Returns "p99 of TTFT 0.5 s and TPOT 0.05 s"."""
    limits = set_limits(sweep.limits)
    texts = [f"{LIMIT_NAMES[name]} {seconds:g} s" for name, seconds in limits.items()]
    return f"p{sweep.settings.percentile:g} of {' and '.join(texts)}"


def _level(sweep: Sweep, level: float) -> str:
    return counted(int(level), "user") if sweep.unit == "users" else f"{level:.3g} requests/s"


def _why(sweep: Sweep) -> str:
    """Returns what happened at the lowest level that did not keep the limits."""
    (step,) = _bounding(sweep)
    verb = "do" if sweep.unit == "requests/s" or step.level != 1 else "does"
    if step.void:
        return f"{verb} not count: {'; '.join(step.void)}"
    failed = f", and {step.failed} of {step.requests} requests failed" if step.failed else ""
    names = " and ".join(LIMIT_NAMES[name] for name in step.broken)
    return f"{verb} not keep that of {names}{failed}"


def _bounding(sweep: Sweep) -> Sequence[SweepStep]:
    """Returns the last run of the lowest level that did not keep the limits, if there is one."""
    return [step for step in sweep.steps if step.level == sweep.lowest_broken][-1:]


def _table(sweep: Sweep) -> list[str]:
    names = list(set_limits(sweep.limits))
    titles = [sweep.unit, *(f"{LIMIT_NAMES[name]}, ms" for name in names)]
    titles += ["tokens/s", "of a GPU", "of a user", "1/TPOT", "cost/M", "kWh/M", "cached", ""]
    rows = [titles, *(_row(step, names) for step in sweep.steps)]
    # A column that nothing is known of says nothing.
    kept = [i for i in range(len(titles)) if any(row[i] != "-" for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in kept}
    return ["  ".join(row[i].rjust(widths[i]) for i in kept).rstrip() for row in rows]


def _row(step: SweepStep, names: Sequence[str]) -> list[str]:
    at = step.frontier
    numbers = [at.tokens_per_second, at.per_gpu, at.per_user, at.interactivity]
    shown = [_number(number, ",.1f") for number in numbers]
    shown += [_number(at.cost_per_million, ".3g"), _number(at.kwh_per_million, ".3g")]
    values = [_milliseconds(step.values[name], mark=name in step.broken) for name in names]
    judgement = "void" if step.void else "kept" if step.kept else "broken"
    return [f"{step.level:.4g}", *values, *shown, _number(step.cached, ".0%"), judgement]


def _milliseconds(seconds: float | None, *, mark: bool) -> str:
    """Returns the value, with a mark where it breaks its limit; requests that failed have none."""
    return f"{'failed' if seconds is None else f'{seconds * 1000:,.0f}'}{'!' if mark else ' '}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
