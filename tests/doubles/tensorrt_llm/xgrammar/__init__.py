"""As much of xgrammar 0.1.32 as checks a schema."""

import json
from typing import Any

from tests.doubles.generation.json_instance import json_text, tag_text


class Grammar:
    """What a schema was compiled to."""

    @staticmethod
    def from_json_schema(
        schema: str | dict[str, Any],
        *,
        any_whitespace: bool = True,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        strict_mode: bool = True,
    ) -> "Grammar":
        try:
            json_text(json.loads(schema) if isinstance(schema, str) else schema)
        except ValueError as error:
            raise RuntimeError(f"[json_schema_converter] {error}") from None
        return Grammar()

    @staticmethod
    def from_structural_tag(structural_tag: str | dict[str, Any]) -> "Grammar":
        try:
            tag_text(
                json.loads(structural_tag) if isinstance(structural_tag, str) else structural_tag
            )
        except ValueError as error:
            raise RuntimeError(f"[structural_tag] {error}") from None
        return Grammar()
