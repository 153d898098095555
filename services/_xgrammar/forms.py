"""Whether a form can be compiled, asked of xgrammar itself before an engine gets it."""

import json

from common.errors import InvalidValue
from common.messages import one_line
from common.sampling import Sampling
from services._xgrammar.structural_tag import structural_tag

ANY_OBJECT = {"type": "object"}
"""Engines have a grammar of their own for it."""


def check_form(sampling: Sampling) -> None:
    """Raises InvalidValue. Takes milliseconds, and seconds at its first call in a process, where it
    imports xgrammar."""
    from xgrammar import Grammar

    try:
        tag = structural_tag(sampling)
        if tag is not None:
            Grammar.from_structural_tag(json.dumps(tag))
        elif sampling.json_schema is not None and sampling.json_schema != ANY_OBJECT:
            Grammar.from_json_schema(json.dumps(sampling.json_schema))
        elif sampling.regex is not None:
            Grammar.from_regex(sampling.regex)
        elif sampling.grammar is not None:
            Grammar.from_ebnf(sampling.grammar)
    except Exception as error:
        field = sampling.form_field
        form = field if field in ("regex", "grammar") else "schema"
        raise InvalidValue(
            f"{field}: xgrammar refuses the {form}: {one_line(error)}", param=field
        ) from error
