"""How much a schema may ask of a grammar compiler."""

from dataclasses import dataclass

LONGEST_TOKEN = 200
"""Characters from which on a longer limit of a string's length costs a compiler no more."""


@dataclass(frozen=True)
class SchemaLimits:
    """Bounds the cost of a schema, in parts; what a part costs has to be measured.

    `depth` counts levels of schemas in schemas, `parts` those schemas. A character of a pattern, or
    up to which the length of a string is limited, counts as `length` parts, once for equal strings,
    a string of a `format` as so many, and each optional property of an object as `optional` parts
    for each of them. `count` is the largest limit of a number of items or characters.
    """

    depth: int = 32
    parts: float = 1000
    count: int = 1000
    length: float = 0
    format: float = 0
    optional: float = 0

    def of_lengths(self, least: int, most: int) -> float:
        """Returns the cost of a string of `least` to `most` characters."""
        return self.length * min(max(least, most), LONGEST_TOKEN)

    def of_properties(self, optional: int) -> float:
        """Returns the cost of an object with so many optional properties."""
        return self.optional * optional**2
