"""The Grafana dashboard of all backends, from the tables below.

    python -m build_scripts.dashboard --write

puts it into deploy/grafana/llm-services.json; without --write it is printed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.command_line import Parser

FILE = Path(__file__).parents[1] / "deploy" / "grafana" / "llm-services.json"
VARIABLES = ("backend", "model", "quantization")
SELECTED = ", ".join(f'{name}=~"${name}"' for name in VARIABLES)
PREFIX = "gen_ai_server_"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Columns of a dashboard."""


class Query(NamedTuple):
    """PromQL and the name of what it draws."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """`width` in columns; `kind` one of Grafana's own panels."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 12
    height: int = 8
    kind: str = "timeseries"
    stacked: bool = False
    maximum: float | None = None


def series(name: str, extra: str = "") -> str:
    return f"{PREFIX}{name}{{{SELECTED}{extra}}}"


def rate(name: str, extra: str = "") -> str:
    return f"rate({series(name, extra)}[$__rate_interval])"


def quantiles(name: str, *wanted: int) -> list[Query]:
    """Over all replicas, one line for each backend and percentile."""
    inner = f"sum by (le, {', '.join(VARIABLES)}) ({rate(name + '_bucket')})"
    return [
        Query(f"histogram_quantile({percent / 100:g}, {inner})", f"p{percent} {NAMED}")
        for percent in wanted
    ]


NAMED = "{{backend}} {{model}} {{quantization}}"
ERRORS = ', outcome="error"'
STATS = [
    Panel(
        "Serving", "Replicas that would serve a request sent now.", "short",
        [Query(f"sum({series('ready')})", "serving")], 4, 4, "stat",
    ),
    Panel(
        "Requests", "That ended, each second.", "reqps",
        [Query(f"sum({rate('requests_total')})", "requests")], 4, 4, "stat",
    ),
    Panel(
        "Generated tokens", "Each second.", "short",
        [Query(f"sum({rate('generated_tokens_total')})", "tokens")], 4, 4, "stat",
    ),
    Panel(
        "Errors", "Share of requests that failed by our fault.", "percentunit",
        [Query(f"sum({rate('requests_total', ERRORS)}) / sum({rate('requests_total')})", "errors")],
        4, 4, "stat",
    ),
    Panel(
        "First token, p95", "From arrival, waiting included.", "s",
        [Query(
            "histogram_quantile(0.95, sum by (le) "
            f"({rate('time_to_first_token_seconds_bucket')}))", "p95",
        )],
        4, 4, "stat",
    ),
    Panel(
        "Waiting", "Sequences that have no place in an engine.", "short",
        [Query(f"sum({series('requests_waiting')})", "waiting")], 4, 4, "stat",
    ),
]  # fmt: skip
PANELS = [
    Panel(
        "Time to first token", "From arrival, waiting included.", "s",
        quantiles("time_to_first_token_seconds", 50, 95, 99),
    ),
    Panel(
        "Time per output token", "Of a whole answer, after its first token.", "s",
        quantiles("time_per_output_token_seconds", 50, 95, 99),
    ),
    Panel(
        "Time between tokens", "Between two pieces of an answer: stalls show here.", "s",
        quantiles("inter_token_latency_seconds", 50, 95, 99),
    ),
    Panel(
        "Duration of requests", "Arrival to end.", "s",
        quantiles("request_duration_seconds", 50, 95, 99),
    ),
    Panel(
        "Requests by outcome", "Rejected: refused, by what they ask or for want of room.", "reqps",
        [Query(f"sum by (outcome) ({rate('requests_total')})", "{{outcome}}")], stacked=True,
    ),
    Panel(
        "Tokens", "Each second, counted at the end of a request.", "short",
        [
            Query(f"sum by ({', '.join(VARIABLES)}) ({rate(f'{kind}_tokens_total')})",
                  f"{kind} {NAMED}")
            for kind in ("prompt", "generated")
        ],
    ),
    Panel(
        "Sequences", "In the engine, and waiting for a place there.", "short",
        [
            Query(f"sum by ({', '.join(VARIABLES)}) ({series(f'requests_{state}')})",
                  f"{state} {NAMED}")
            for state in ("running", "waiting")
        ],
    ),
    Panel(
        "KV cache in use", "Of each replica whose engine tells.", "percentunit",
        [Query(series("kv_cache_usage_ratio"), "{{instance}} " + NAMED)], maximum=1,
    ),
    Panel(
        "Start of each replica", "Seconds in each phase, so far where it has not ended.", "s",
        [Query(series("start_phase_seconds"), "{{instance}} {{phase}}")], WIDTH, 8, "bargauge",
    ),
]  # fmt: skip


def dashboard() -> dict[str, Any]:
    return {
        "uid": "llm-services",
        "title": "LLM services",
        "description": "Any backend of llm-services: the same series on all of them.",
        "tags": ["llm"],
        "editable": True,
        "schemaVersion": 39,
        "version": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), *map(_variable, VARIABLES)]},
        "panels": _placed([*STATS, *PANELS]),
    }


def text() -> str:
    """As the file has it."""
    return json.dumps(dashboard(), indent=1) + "\n"


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
    }


def _variable(name: str) -> dict[str, Any]:
    """Those before it narrow its values."""
    before = VARIABLES[: VARIABLES.index(name)]
    narrowed = ", ".join(f'{other}=~"${other}"' for other in before)
    return {
        "name": name,
        "type": "query",
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": f"label_values({PREFIX}ready{{{narrowed}}}, {name})",
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """In reading order, in rows that are full."""
    found, left, top = [], 0, 0
    for number, panel in enumerate(panels, 1):
        place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
        found.append(_panel(panel, number, place))
        left += panel.width
        if left == WIDTH:
            left, top = 0, top + panel.height
    return found


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.stacked:
        defaults["custom"] = {"fillOpacity": 30, "stacking": {"group": "A", "mode": "normal"}}
    instant = panel.kind == "bargauge"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "range": not instant,
                "instant": instant,
            }
            for index, query in enumerate(panel.queries)
        ],
    }


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        FILE.write_text(text(), "utf-8")
    else:
        print(text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
