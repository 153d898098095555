"""What xgrammar enforces of a JSON schema, tried with each release's own package.

For every keyword a schema was compiled and documents that violate it were offered
(tests/xgrammar/test_schemas.py does so again). In these releases `not`, several `allOf`,
`uniqueItems`, `contains`, `multipleOf` of numbers, `if`, `dependentRequired` and all words beside
`$ref`, `anyOf` and `const` are ignored without a word. They write no exponents, so that bounds of
numbers hold. With `properties`, those that are not named are not generated.
"""

from common.json_schema import ANY, LIST, TRUE, SchemaLimits, SchemaSupport

OTHER_COMPILER = (
    "engine_args name another grammar compiler than xgrammar, and it enforces other words"
)
OBJECT = ("properties", "required", "additionalProperties")
ARRAY = ("items", "prefixItems", "minItems", "maxItems")
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
FORMATS = frozenset(
    {
        "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "json-pointer",
        "relative-json-pointer", "time", "uri", "uri-reference", "uri-template", "uuid",
    }
)  # fmt: skip
"""Compiled to expressions (cpp/json_schema_converter.cc); others restrict nothing."""
LIMITS = SchemaLimits(length=3, format=15, optional=0.014)
"""A part costs at most 10 ms of one core with a vocabulary of 151,000 tokens: a length of 128
characters 3.9 s, one of 1000 5.8 s, 100 optional properties 1.4 s, a format at most 0.15 s, and
everything else less. The worst schema within the limits took 10 s, where 1000 optional properties
take minutes."""


ALL_RELEASES = {
    **dict.fromkeys(("$ref", "anyOf", "oneOf", "allOf"), ()),
    **dict.fromkeys(("const", "enum"), ("type",)),
    "object": OBJECT,
    "array": ARRAY,
    **dict.fromkeys(("boolean", "null", ANY, LIST, TRUE), ()),
}
"""The keywords beside each form of a schema in which the releases do not differ."""


def xgrammar_0_2(title: str) -> SchemaSupport:
    """Returns what releases 0.2.7 and 0.2.8 enforce, in which all of this is the same."""
    return SchemaSupport(
        title,
        {
            **ALL_RELEASES,
            "string": ("minLength", "maxLength", "pattern", "format"),
            "integer": (*BOUNDS, "format"),
            "number": (*BOUNDS, "format"),
        },
        formats=FORMATS,
        rules=True,
        closed=True,
        escapes=True,
        limits=LIMITS,
    )


def xgrammar_0_1(title: str) -> SchemaSupport:
    """Returns what release 0.1.32 enforces: bounds let some numbers below the minimum pass, and
    patterns text that is no JSON; names are put into the grammar as they are."""
    return SchemaSupport(
        title,
        {
            **ALL_RELEASES,
            "string": ("minLength", "maxLength", "format"),
            **dict.fromkeys(("integer", "number"), ("format",)),
        },
        formats=FORMATS,
        rules=True,
        closed=True,
        mixes_names=True,
        limits=LIMITS,
    )
