"""Forms as xgrammar's structural tag, which all engines with xgrammar 0.1.25+ take."""

from collections.abc import Mapping
from typing import Any

from common.call_grammar import CallGrammar, CallText
from common.reasoning_text import ReasoningText
from common.sampling import Sampling

Part = dict[str, Any]

SPACE: Part = {"type": "regex", "pattern": "[ \\n]{0,4}"}
"""What models write around marks."""


def structural_tag(sampling: Sampling) -> Part | None:
    """Returns it as JSON, None for a form that engines take without it."""
    if sampling.calls is None and sampling.reasoning is None:
        return None
    form = _form(sampling)
    if sampling.reasoning is not None:
        form = _behind(sampling.reasoning, form)
    return {"type": "structural_tag", "format": form}


def _form(sampling: Sampling) -> Part:
    if sampling.calls is not None:
        return _calls(sampling.calls)
    if sampling.json_schema is not None:
        return _document(sampling.json_schema)
    if sampling.regex is not None:
        return {"type": "regex", "pattern": sampling.regex}
    return {"type": "grammar", "grammar": sampling.grammar}


def _behind(reasoning: ReasoningText, form: Part) -> Part:
    """Returns the form behind reasoning; without it as well, where that may be left out."""
    thought: Part = {
        "type": "tag",
        "begin": reasoning.begin,
        "content": {"type": "any_text"},
        "end": reasoning.end,
    }
    before, after = reasoning.answer
    answer = _sequence(*_mark(before), form, *reversed(_mark(after)))
    reasoned = _sequence(thought, SPACE, answer)
    if reasoning.bare is None:
        return reasoned
    bare = _sequence(*_mark(reasoning.bare), form, *reversed(_mark(after)))
    return {"type": "or", "elements": [reasoned, bare]}


def _mark(text: str) -> list[Part]:
    """Returns a mark and the space between it and the answer."""
    return [{"type": "const_string", "value": text}, SPACE] if text else []


def _sequence(*parts: Part) -> Part:
    return {"type": "sequence", "elements": list(parts)} if len(parts) > 1 else parts[0]


def _calls(grammar: CallGrammar) -> Part:
    """Returns calls among text, or calls alone. What is around all calls makes a tag of them."""
    begin, end = grammar.around
    tags = [
        {"type": "tag", "begin": call.begin, "content": _content(call), "end": call.end}
        for call in grammar.calls
    ]
    calls: Part = {
        "type": "tags_with_separator",
        "tags": tags,
        "separator": grammar.separator,
        "at_least_one": True,
        "stop_after_first": not grammar.several,
    }
    if begin:
        calls = {"type": "tag", "begin": begin, "content": calls, "end": end}
    if grammar.marker is None:
        return calls
    return {
        "type": "triggered_tags",
        "triggers": [grammar.marker],
        "tags": [calls] if begin else tags,
        "at_least_one": False,
        "stop_after_first": not grammar.several,
    }


def _content(call: CallText) -> Part:
    document = _document(call.schema)
    if call.spaced:
        return _sequence(SPACE, document)
    if not call.numbered:
        return document
    number: Part = {"type": "regex", "pattern": "[0-9]{1,4}"}
    return _sequence(number, {"type": "const_string", "value": call.numbered}, document)


def _document(schema: Mapping[str, Any]) -> Part:
    return {"type": "json_schema", "json_schema": dict(schema)}
