"""The base of all request bodies: exact types, known names only, and null for absent."""

from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from common.http.accepted import Fields

MAX_FIELDS = 128
MAX_IGNORED = 32
"""Names of ignored fields that are kept of one request."""
EXACT = 2**53
"""From here on a float is not every integer that a request may have had in its place."""
UNSUPPORTED = "unsupported_parameter"
"""The type of pydantic errors that clients get under this code, not as a wrong value."""


def unsupported(field: str, reason: str) -> PydanticCustomError:
    """Returns the error of a field of the object that is validated."""
    return PydanticCustomError(UNSUPPORTED, "{reason}", {"field": field, "reason": reason})


class Strict(BaseModel):
    """One problem is enough to refuse a body. `accepted` are fields without an effect.

    An integer may be written as 16.0, since JSON tells no difference between numbers.
    With a set as the context of a validation, unknown fields are left out and named in it.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, protected_namespaces=(), use_attribute_docstrings=True
    )
    accepted: ClassVar[Fields] = {}

    @model_validator(mode="before")
    @classmethod
    def _given_fields(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            return value
        if len(value) > MAX_FIELDS:
            raise ValueError(f"at most {MAX_FIELDS} fields are allowed, not {len(value)}")
        integers = integer_names(cls)
        return {
            name: _integral(item) if name in integers else item
            for name, item in value.items()
            if item is not None and not cls._has_no_effect(name, item, info.context)
        }

    @classmethod
    def _has_no_effect(cls, name: str, value: Any, ignored: set[str] | None) -> bool:
        """Raises an error for a field that is refused by name."""
        entry = cls.accepted.get(name)
        if entry is not None:
            if not entry.allows(value):
                raise unsupported(name, entry.refusal)
            return True
        if ignored is None or name in known_names(cls):
            return False
        if len(ignored) < MAX_IGNORED:
            ignored.add(name)
        return True


def _integral(value: Any) -> Any:
    exact = isinstance(value, float) and value.is_integer() and abs(value) < EXACT
    return int(value) if exact else value


@cache
def integer_names(model: type[BaseModel]) -> frozenset[str]:
    """Returns the names of the fields that are integers, or null."""
    fields = model.model_fields.items()
    return frozenset(name for name, field in fields if field.annotation in (int, int | None))


@cache
def known_names(model: type[BaseModel]) -> frozenset[str]:
    """Returns the names that fields have in JSON."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())
