"""The Jinja environment that chat templates are written for.

It has what that of transformers.utils.chat_template_utils has: a sandbox, trimmed blocks, loop
controls, `{% generation %}`, a `tojson` that keeps Unicode, `raise_exception`, `strftime_now`.
"""

import json
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, meta
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Filter, Name, Node, Scope, Test
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

ASKING = ("defined", "undefined", "default", "d")
"""Tests and filters of a variable that may be absent."""


class Refusal(TemplateError):
    """A template called `raise_exception`; `refusal` is what it said."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.refusal = message


class GenerationBlock(Extension):
    """Renders `{% generation %}` … `{% endgeneration %}` as what stands in it.

    Training code marks with it what the assistant said. Names set in it are not seen outside.
    """

    tags = {"generation"}

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return Scope(body).set_lineno(line)


def compile_template(source: str) -> Template:
    """Raises jinja2.TemplateError for text that is no template."""
    return _environment().from_string(source)


def read_variables(source: str) -> set[str]:
    """Returns the variables that a template reads from what it is given.

    One that it sets itself is read where it asks whether there is one. Raises like
    `compile_template`.
    """
    environment = _environment()
    tree = environment.parse(source)
    own = {name.name for name in tree.find_all(Name) if name.ctx == "store"}
    asked = {
        node.node.name
        for node in tree.find_all((Test, Filter))
        if node.name in ASKING and isinstance(node.node, Name)
    }
    return meta.find_undeclared_variables(tree) - environment.globals.keys() - (own - asked)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise Refusal(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
