"""YAML files that people write, with the line of each mistake."""

import pytest

from common.yaml_lines import YAMLFault, parse_yaml

TEXT = """
name: x  # a comment
list:
  - one
  - {deep: 2}
"""


def test_every_value_has_its_line() -> None:
    text = parse_yaml(TEXT)
    assert text.value == {"name": "x", "list": ["one", {"deep": 2}]}
    assert text.line(("name",)) == 2
    assert text.line(("list", 1, "deep")) == 5
    assert text.line(("list", 1, "missing", "deeper")) == 5
    assert text.line(()) == 2
    assert parse_yaml("").value is None


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\na: 2", 2, "'a' is given twice"),
        ("a: 1\n[1]: 2", 2, "a key has to be a word"),
        ("a: [1", 1, "expected ',' or ']'"),
        ("a: !!int x", 1, "'x' cannot be read as tag:yaml.org,2002:int"),
        ("&a [*a]", None, "holds itself by an alias"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, line: int | None, message: str) -> None:
    with pytest.raises(YAMLFault) as fault:
        parse_yaml(text)
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)
    assert fault.value.line == line
