"""The command line of a run."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from benchmarks.load.messages import PATHS
from benchmarks.load.spec import KEY, Spec

DESCRIPTION = f"""Put a load on an endpoint, and say what its users saw.

A key is taken from the environment variable {KEY}. Times are in seconds.
"""


class WrongOption(ValueError):
    """One line: which option, what is wrong, what is allowed."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongOption(message)


def parser() -> Parser:
    made = Parser(
        prog="python -m benchmarks.load",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _of_the_load(made)
    _of_the_prompts(made)
    _of_the_result(made)
    return made


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


def _of_the_load(made: Parser) -> None:
    add = made.add_argument
    add("url", metavar="URL", help="http://localhost:3000")
    add("--protocol", choices=PATHS, default="chat")
    add("--model", help="as the endpoint names it; its first one")
    add("--mode", choices=["closed", "poisson", "constant"], default="closed")
    add("--users", type=int, help="of a closed loop (10)")
    add("--rate", type=float, help="requests per second of an open loop")
    add("--duration", type=float, default=300.0, help="the ramp included (300)")
    add("--ramp", type=float, help="in which the users come (20, at most a third of the duration)")
    add("--window", type=float, default=5.0, help="in which rates are told (5)")
    add("--warmup", type=int, default=0, metavar="N", help="requests before the run")
    add("--reset-cache", metavar="PATH", help="POST it after the warm-up: /flush_cache of SGLang")
    add("--drain", type=float, default=30.0, help="for what is in flight at the end (30)")
    add("--timeout", type=float, default=600.0, help="of a request (600)")
    add("--max-tokens", type=int)
    add("--ignore-eos", action="store_true", help="generate max-tokens, whatever the model says")
    add("--temperature", type=float)
    add("--turns", type=int, default=1, help="of a conversation, at most (1)")
    add("--procs", type=int, default=1, help="client processes (1)")
    add("--ray", metavar="ADDRESS", help="of a Ray cluster, over which they are spread; or local")
    add("--engine", choices=["load", "aiperf"], default="load", help="that makes the load (load)")
    add("--ttft-limit", type=float, help="for goodput")
    add("--tpot-limit", type=float, help="for goodput")
    add("--end-to-end-limit", type=float, help="for goodput")


def _of_the_prompts(made: Parser) -> None:
    add = made.add_argument
    add("--prompts", default="builtin", help="builtin, dolly, sharegpt:FILE, synthetic:N, FILE")
    add("--min-prompt-tokens", type=int)
    add("--max-prompt-tokens", type=int)
    add("--min-prompt-words", type=int)
    add("--max-prompt-words", type=int)
    add("--tokenizer", help="directory or hub id; the endpoint's own, by POST /tokenize")
    add("--prompt-count", type=int)
    add("--system-prompt", help="the text, or @FILE")
    add("--seed", type=int, default=0, help="of the order of prompts and of arrivals (0)")


def _of_the_result(made: Parser) -> None:
    add = made.add_argument
    add("--out", type=Path, metavar="DIR", help="for result.json and requests.jsonl")
    add("--label", help="of what is measured; the host")
    add("--subject", type=Path, metavar="FILE", help="JSON: what is measured")
    add("--metrics-url", help="sampled beside the run; URL/metrics where there is one")
    add("--pid", type=int, help="root of the service's processes on this machine")
    add("--price-per-hour", type=positive, help="of the machine, for the cost of tokens")


def spec_of(options: argparse.Namespace) -> Spec:
    """Raises WrongOption."""
    given: dict[str, Any] = {
        name: value for name, value in vars(options).items() if name in Spec.model_fields
    }
    closed = options.mode == "closed"
    if closed and options.users is None:
        given["users"] = 10
    if options.ramp is None:
        given["ramp"] = max(0.0, min(20.0, options.duration / 3)) if closed else 0.0
    if options.mode != "closed" and options.rate is None:
        raise WrongOption(f"--mode {options.mode} needs --rate, in requests per second")
    given["system_prompt"] = _text(options.system_prompt)
    try:
        return Spec(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"--{str(first['loc'][0]).replace('_', '-')}: " if first["loc"] else ""
        raise WrongOption(f"{where}{first['msg'].removeprefix('Value error, ')}") from None


def _text(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongOption(f"--system-prompt {given}: {error}") from None


def parsed(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Spec]:
    """Raises WrongOption."""
    options = parser().parse_args(arguments)
    for name in ("ray", "reset_cache"):
        if options.engine != "load" and getattr(options, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise WrongOption(f"{flag} has no effect with --engine {options.engine}")
    return options, spec_of(options)
