"""Bodies of requests and answers, by BentoML's schema classes."""

from datetime import UTC, datetime
from typing import Any

import cattrs
from bentoml._internal.cloud.schemas import utils
from bentoml._internal.cloud.schemas.modelschemas import ResourceType
from bentoml._internal.tag import Tag
from starlette.responses import JSONResponse

EMPTY: dict[str, Any] = {"labels": [], "deleted_at": None}


class Refused(Exception):
    """Becomes an answer with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> JSONResponse:
        return JSONResponse({"error": self.message}, self.status)


def _exactly(kind: type) -> Any:
    def hook(value: Any, _: type) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return hook


strict = cattrs.Converter(forbid_extra_keys=True)
for _kind in (str, int, bool):
    strict.register_structure_hook(_kind, _exactly(_kind))
strict.register_structure_hook(datetime, utils.datetime_decoder)
strict.register_structure_hook(Tag, utils.tag_decoder)


def read(body: Any, kind: type) -> Any:
    """Raises Refused for a field that is unknown, missing or of another type."""
    try:
        return strict.structure(body, kind)
    except Exception as error:
        reasons = "; ".join(cattrs.transform_error(error))
        raise Refused(400, f"invalid request: {reasons}") from None


def answer(value: Any) -> JSONResponse:
    """A schema object, or a list of them."""
    return JSONResponse(plain(value))


def plain(value: Any) -> Any:
    return utils.cloud_converter.unstructure(value)


def resource(kind: ResourceType, name: str, made: datetime) -> dict[str, Any]:
    """What every ResourceSchema has."""
    return {
        "uid": f"{kind.value}-{name}",
        "name": name,
        "resource_type": kind.value,
        "created_at": made,
        "updated_at": made,
        **EMPTY,
    }


def now() -> datetime:
    return datetime.now(UTC)
