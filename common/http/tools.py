"""The tools of a chat request: which are shown, which may be called, and by what grammar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.call_grammar import CallGrammar
from common.errors import InvalidValue, UnsupportedParameter
from common.http.messages import NamedTool, Tool, tools_for_template
from common.http.runtime import Runtime
from common.http.schemas import ChatBody
from common.http.structure import ANY_OBJECT, requested_structure
from common.text.marks import NONE_HIDDEN, HiddenTokens, tokens_in
from common.text.tool_calls import FORMATS, ExpectedCalls, ToolCallParser

NO_MARKS = (
    "the calls of this model have no mark that they could be told from text by while they are "
    "written; allowed is strict with a tool_choice that makes the model call a tool"
)


@dataclass(frozen=True)
class ToolUse:
    """`shown` goes to the template. Nothing `expected` means that no calls are looked for.

    `hidden` are the special tokens that answers have marks for.
    """

    shown: Sequence[Mapping[str, Any]] = ()
    form: str = ""
    expected: ExpectedCalls | None = None
    grammar: CallGrammar | None = None
    hidden: HiddenTokens = NONE_HIDDEN

    def parser(self) -> ToolCallParser | None:
        """Returns a parser for one answer."""
        if self.expected is None:
            return None
        return FORMATS[self.form].form.with_hidden(self.hidden).parser(self.expected)


def tool_use(body: ChatBody, runtime: Runtime) -> ToolUse:
    """Raises InvalidValue and UnsupportedParameter."""
    choice = body.tool_choice
    if not body.tools and choice not in (None, "none"):
        raise InvalidValue("tool_choice needs tools", param="tool_choice")
    if not body.tools or choice == "none":
        return ToolUse()
    runtime.capabilities.check("tools", body.tools)
    form = runtime.tool_format
    assert form is not None
    several = body.parallel_tool_calls is not False
    forced = choice not in (None, "auto")
    if forced:
        runtime.capabilities.check("tool_choice", choice)
    callable_tools = _callable(body.tools, choice)
    grammar = None
    if forced or any(tool.function.strict for tool in callable_tools.values()):
        _check_no_document(body)
        grammar = _grammar(runtime, form, callable_tools, forced=forced, several=several)
    schemas = {tool.function.name: _parameters(tool) for tool in callable_tools.values()}
    expected = ExpectedCalls(schemas, several, only_calls=forced)
    shown = tools_for_template(body.tools)
    return ToolUse(shown, form, expected, grammar, _hidden(body, runtime, form))


def _hidden(body: ChatBody, runtime: Runtime, form: str) -> HiddenTokens:
    """Returns the special tokens in marks of calls and in stop strings that no answer shows."""
    if body.shown.special_tokens:
        return NONE_HIDDEN
    texts = [*FORMATS[form].form.texts, *(body.stop or ())]
    return HiddenTokens(tokens_in(texts, runtime.tokenizer.texts[True].special))


def _callable(tools: Sequence[Tool], choice: object) -> dict[int, Tool]:
    """Returns the tools that may be called, by their positions."""
    every = dict(enumerate(tools))
    names: set[str] = set()
    for index, tool in every.items():
        if tool.function.name in names:
            param = f"tools[{index}].function.name"
            raise InvalidValue(
                f"{param}: another tool has the name {tool.function.name!r}", param=param
            )
        names.add(tool.function.name)
    if not isinstance(choice, NamedTool):
        return every
    name = choice.function.name
    named = {index: tool for index, tool in every.items() if tool.function.name == name}
    if not named:
        raise InvalidValue(f"tool_choice names {name!r}, no tool", param="tool_choice")
    return named


def _check_no_document(body: ChatBody) -> None:
    structure = requested_structure(body)
    if structure is not None:
        raise InvalidValue(
            f"{structure.param} cannot be used with a tool_choice that makes the model call a "
            "tool, nor with strict tools",
            param=structure.param,
        )


def _grammar(
    runtime: Runtime, form: str, tools: Mapping[int, Tool], *, forced: bool, several: bool
) -> CallGrammar:
    """Where calls are made, every schema is enforced; else those of strict tools."""
    schemas = {}
    spent = 0.0
    for index, tool in tools.items():
        path = f"tools[{index}].function"
        if not forced and tool.function.strict:
            _check_strict(runtime, f"{path}.strict")
        enforced = forced or tool.function.strict
        schema = _parameters(tool) if enforced else ANY_OBJECT
        if schema and schema.get("type") != "object" and "$ref" not in schema:
            raise InvalidValue(
                f"{path}.parameters: allowed is a schema of type 'object'",
                param=f"{path}.parameters",
            )
        spent = runtime.capabilities.check_schema(schema, f"{path}.parameters", spent)
        schemas[tool.function.name] = schema
    grammar = FORMATS[form].form.grammar(schemas, forced=forced, several=several)
    if grammar is None:
        index = next(index for index, tool in tools.items() if tool.function.strict)
        raise UnsupportedParameter(
            f"tools[{index}].function.strict: {NO_MARKS}", param=f"tools[{index}].function.strict"
        )
    return grammar


def _check_strict(runtime: Runtime, param: str) -> None:
    """Without grammars of calls nothing would be strict."""
    reason = runtime.capabilities.unsupported.get("tool_choice")
    if reason is not None:
        raise UnsupportedParameter(
            f"{param} is not supported by the {runtime.capabilities.backend} backend: {reason}",
            param=param,
        )


def _parameters(tool: Tool) -> Mapping[str, Any]:
    return tool.function.parameters or ANY_OBJECT
