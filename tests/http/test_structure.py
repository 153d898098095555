"""Regular expressions and grammars are small enough to be compiled, with their counters."""

import pytest

from common.errors import InvalidValue
from common.http.structure import Structure, check_written_out

HUGE = ["(a{1,100}){1,100}", "(?:[a-z ]{50}){50}", "a{99999999999999999999}", "(a{50})?{50}"]


@pytest.mark.parametrize("text", HUGE)
def test_counted_repetitions_multiply(text: str) -> None:
    with pytest.raises(InvalidValue, match="counted repetitions") as raised:
        check_written_out(Structure("regex", text, "guided_regex"))
    assert raised.value.param == "guided_regex"


def test_rules_of_a_grammar_add_up() -> None:
    rule = 'root ::= ("a" | [b-d]){9} rest '
    check_written_out(Structure("grammar", rule * 10, "ebnf"))
    with pytest.raises(InvalidValue, match=r"ebnf has .* characters"):
        check_written_out(Structure("grammar", rule * 60, "ebnf"))


@pytest.mark.parametrize("text", [r"\(a{1990}\)", "[(){}]{3}", "a" * 2000, "(a|b)*c+", ")(", "{5}"])
def test_what_is_small_passes_on_to_the_compiler(text: str) -> None:
    check_written_out(Structure("regex", text, "regex"))
