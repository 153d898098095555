"""The OpenAPI document, made of the routes, of the models that check bodies, and of the errors."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from common.errors import ServiceError
from common.http.reference.body_schemas import REF, Schema, schemas_of
from common.http.reference.operation import FORM, JSON, OPERATIONS, Operation
from common.http.reference.responses import ErrorBody
from common.http.strict import Strict
from common.settings import Settings

OPENAPI = "3.1.1"


class DocumentedRoute(Protocol):
    """The part of a route that the document is made of."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def prefix(self) -> bool: ...
    @property
    def suffix(self) -> str: ...
    @property
    def path_pattern(self) -> str: ...
    def is_public(self, settings: Settings) -> bool: ...


def document(routes: Iterable[DocumentedRoute], settings: Settings) -> Schema:
    """Returns the document as JSON. It says nothing of the model, since everybody may read it."""
    places, schemas = schemas_of(
        {str, *_types()}, ignores_unknown=settings.unknown_fields != "refuse"
    )
    paths: dict[str, Any] = {}
    by_name = {f"{route.method} {route.path_pattern}": route for route in routes}
    for name, operation in OPERATIONS.items():
        route = by_name[name]
        path = route.path_pattern.replace("*", f"{{{operation.identifier}}}")
        keyed = settings.needs_keys and not route.is_public(settings)
        methods = paths.setdefault(path, {})
        methods[route.method.lower()] = _operation(operation, route, places, keyed=keyed)
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "LLM service",
            "version": "1",
            "description": "One API for every inference engine. A field has the same meaning on "
            "each; what a backend cannot honour it refuses, with the reason.",
        },
        "tags": [{"name": n} for n in dict.fromkeys(each.group for each in OPERATIONS.values())],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {
                name: response
                for error in dict.fromkeys(each.error for each in OPERATIONS.values())
                for name, response in _error_responses(error)
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _types() -> Iterator[Any]:
    for operation in OPERATIONS.values():
        yield operation.error
        yield from operation.answers.values()
        if operation.body is not None:
            yield operation.body


def _operation(
    operation: Operation, route: DocumentedRoute, places: Mapping[Any, Schema], *, keyed: bool
) -> Schema:
    statuses = {*operation.errors, *((401, 429) if keyed else ())}
    if operation.body is not None:
        statuses |= {400, 408, 413, 415, 429}
    answers = {media: {"schema": places[each]} for media, each in operation.answers.items()}
    named = partial(_response, operation.error)
    errors = {str(each): named(str(each)) for each in sorted(statuses)}
    value: Schema = {
        "tags": [operation.group],
        "operationId": _operation_id(route, operation.identifier),
        "summary": operation.summary,
        "description": operation.description,
        "responses": {
            "200": {"description": "Success", "content": answers},
            **errors,
            "default": named("default"),
        },
    }
    if route.prefix:
        value["parameters"] = [
            {"name": operation.identifier, "in": "path", "required": True, "schema": places[str]}
        ]
    if operation.query:
        value.setdefault("parameters", []).extend(
            {"name": name, "in": "query", "schema": schema}
            for name, schema in operation.query.items()
        )
    if operation.body is not None:
        form = not issubclass(operation.body, Strict)
        content = {FORM if form else JSON: {"schema": places[operation.body]}}
        value["requestBody"] = {"required": True, "content": content}
    if keyed:
        value["security"] = [{"bearer": []}, {"header": []}]
    return value


def _operation_id(route: DocumentedRoute, identifier: str) -> str:
    words = route.path_pattern.replace("*", identifier).strip("/").split("/")
    return "_".join([route.method.lower(), *words])


def _response(error: Any, status: str) -> Schema:
    return {"$ref": f"#/components/responses/{_response_name(error, status)}"}


def _response_name(error: Any, status: str) -> str:
    return status if error is ErrorBody else f"{error.__name__}_{status}"


def _error_responses(error: Any) -> Iterator[tuple[str, Schema]]:
    """Yields the errors of each status, made of their classes, with bodies of the type `error`."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for each in errors():
        by_status.setdefault(each.status, []).append(each)
    content = {JSON: {"schema": {"$ref": REF.format(model=error.__name__)}}}
    for status, classes in sorted(by_status.items()):
        codes = dict.fromkeys(f"`{each.code}`" for each in classes)
        value: Schema = {"description": ", ".join(codes), "content": content}
        if any(each.retry_after for each in classes):
            value["headers"] = {
                "retry-after": {
                    "description": "Seconds after which trying again can help",
                    "schema": {"type": "integer"},
                }
            }
        yield _response_name(error, str(status)), value
    yield _response_name(error, "default"), {"description": "Another error", "content": content}


def errors(base: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Yields the classes of errors that clients get, a base before those made of it."""
    for each in base.__subclasses__():
        yield each
        yield from errors(each)
