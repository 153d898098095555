"""The command line of a run, which is made of the fields of a Spec."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from benchmarks.load.spec import KEY, Flag, LoadFailed, Spec
from benchmarks.load.sweep_spec import SweepSpec

DESCRIPTION = f"""Put a load on an endpoint, and say what its users saw.

A key is taken from the environment variable {KEY}. Times are in seconds.
"""
OF_THE_ENDPOINT = ("metrics_url", "pid")
"""Fields that say nothing of another endpoint than that of their spec."""
SWEEP = "sweep"
"""The field of a SweepSpec with the settings of the search."""
FieldPath = tuple[str, ...]


class WrongOption(LoadFailed):
    """One line: which option, what is wrong, what is allowed."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongOption(message)


def parsed(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Spec]:
    """Returns where the result goes and what it names, and the load. Raises WrongOption."""
    options = _parser().parse_args(arguments)
    given: dict[str, Any] = {} if options.spec is None else _read(options.spec)
    if hasattr(options, "url"):
        given = {name: value for name, value in given.items() if name not in OF_THE_ENDPOINT}
    for path, field in _fields(SweepSpec):
        if hasattr(options, ".".join(path)):
            if path[0] == SWEEP and not options.search:
                raise WrongOption(f"{_flag(path, field)} is of a search: give --sweep, too")
            *groups, name = path
            values = given
            for group in groups:
                values = values.setdefault(group, {})
            values[name] = getattr(options, ".".join(path))
    if given.get("url") is None:
        raise WrongOption("the following arguments are required: URL")
    mode = given.get("mode", "closed")
    if mode in ("poisson", "constant") and given.get("rate") is None:
        raise WrongOption(f"--mode {mode} needs --rate, in requests per second")
    if hasattr(options, "system_prompt"):
        given["system_prompt"] = _text(options.system_prompt)
    kind = SweepSpec if options.search or SWEEP in given else Spec
    try:
        return options, kind.model_validate(given)
    except ValidationError as error:
        raise WrongOption(_described(error)) from None


def words(spec: Spec) -> list[str]:
    """Returns the arguments that make the same load again, wherever the endpoint is."""
    arguments = [spec.url]
    if isinstance(spec, SweepSpec):
        arguments.append("--sweep")
    for path, field in _fields(type(spec)):
        value = _value(spec, path)
        if path[0] in ("url", *OF_THE_ENDPOINT) or value is None or value is False:
            continue
        arguments.append(_flag(path, field))
        if value is not True:
            arguments.append(str(value).removesuffix(".0"))
    return arguments


def _parser() -> Parser:
    parser = Parser(
        prog="python -m benchmarks.load",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for path, field in _fields(SweepSpec):
        _add(parser, path, field)
    add = parser.add_argument
    add(
        "--sweep",
        dest="search",
        action="store_true",
        help="search the highest load that keeps "
        "the limits, from --users or --rate on; each run is as long as one without it",
    )
    add("--spec", metavar="FILE", help="the load as JSON, or - for standard input")
    add("--out", type=Path, metavar="DIR", help="for result.json and requests.jsonl")
    add("--label", help="of what is measured; the host")
    add("--subject", type=Path, metavar="FILE", help="JSON: what is measured")
    return parser


def _add(parser: Parser, path: FieldPath, field: FieldInfo) -> None:
    kind = _scalar(field.annotation)
    flag = _flag(path, field)
    metavar = _spelling(field).metavar or flag.strip("-").replace("-", "_").upper()
    more: dict[str, Any] = {"type": kind, "metavar": metavar}
    if kind is bool:
        more = {"action": "store_true"}
    elif get_origin(kind) is Literal:
        more = {"choices": get_args(kind)}
    if path == ("url",):
        more["nargs"] = "?"
    else:
        more["dest"] = ".".join(path)
    help_ = f"{field.description}{_default(field)}"
    parser.add_argument(flag, default=argparse.SUPPRESS, help=help_, **more)


def _default(field: FieldInfo) -> str:
    """Returns the default in brackets, where it is one value that says something."""
    default = field.get_default()
    if default in (PydanticUndefined, None, False, 0):
        return ""
    return f" ({default:g})" if isinstance(default, float) else f" ({default})"


def _fields(model: type[BaseModel], path: FieldPath = ()) -> Iterator[tuple[FieldPath, FieldInfo]]:
    """Yields each field that has one value, also of the models inside, by its path."""
    for name, field in model.model_fields.items():
        kind = _scalar(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, (*path, name))
        else:
            yield (*path, name), field


def _scalar(annotation: Any) -> Any:
    """Returns the type inside Annotated and `| None`."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = get_args(annotation)[0]
    return annotation


def _spelling(field: FieldInfo) -> Flag:
    return next((each for each in field.metadata if isinstance(each, Flag)), Flag())


def _flag(path: FieldPath, field: FieldInfo) -> str:
    if path == ("url",):
        return "url"
    return _spelling(field).name or f"--{path[-1].replace('_', '-')}"


def _value(spec: Spec, path: FieldPath) -> Any:
    value: Any = spec
    for name in path:
        value = getattr(value, name)
    return value


def _read(file: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        values = json.loads(text)
    except (OSError, ValueError) as error:
        raise WrongOption(f"--spec {file}: {error}") from None
    if not isinstance(values, dict):
        raise WrongOption(f"--spec {file}: is no JSON object")
    return values


def _text(given: str) -> str:
    """Returns the text of a system prompt, that of the file of an @FILE."""
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongOption(f"--system-prompt {given}: {error}") from None


def _described(error: ValidationError) -> str:
    first = error.errors()[0]
    at = first.get("ctx", {}).get("at")
    path = tuple(map(str, first["loc"])) + (() if at is None else (at,))
    fields = dict(_fields(SweepSpec))
    where = _flag(path, fields[path]) if path in fields else ".".join(path)
    return f"{where}: {first['msg']}" if where else first["msg"]
