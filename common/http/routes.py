"""Path and method to handler; everything else is 404 or 405 in our own shape."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from common.errors import MethodNotAllowed, NotFound
from common.http import generate, openai, operations
from common.http.exchange import Exchange
from common.http.runtime import Runtime

Generation = Callable[[Exchange, Runtime], Awaitable[str]]
Operation = Callable[[Exchange, Runtime], Awaitable[None]]
Named = Callable[[Exchange, Runtime, str], Awaitable[None]]

GENERATIONS: Mapping[str, Generation] = {
    "/generate": generate.generate,
    "/v1/chat/completions": openai.chat_completions,
    "/v1/completions": openai.completions,
}
OPERATIONS: Mapping[str, tuple[str, Operation]] = {
    "/v1/models": ("GET", operations.models),
    "/tokenize": ("POST", operations.tokenize),
    "/detokenize": ("POST", operations.detokenize),
}
NAMED: Mapping[str, tuple[str, Named]] = {
    "/v1/models/": ("GET", operations.model),
    "/v1/requests/": ("DELETE", operations.cancel),
}
HEALTH = ("/livez", "/readyz", "/healthz")
METRICS = "/metrics"
PAGES = ("/", "/docs.json", "/schema.json")
PAGE_FILES = ("/static_content/", "/assets/")


class Route(NamedTuple):
    """`kind` is one of generation, operation, named, health, metrics, page."""

    kind: str
    path: str
    name: str = ""


def find(method: str, path: str, *, pages: bool) -> Route:
    """Raises NotFound and MethodNotAllowed."""
    route, allowed = _match(path, pages)
    if method != allowed and not (method == "HEAD" and route.kind == "page"):
        raise MethodNotAllowed(f"{path} takes {allowed} only, not {method[:16]}", allow=allowed)
    return route


def _match(path: str, pages: bool) -> tuple[Route, str]:
    if path in GENERATIONS:
        return Route("generation", path), "POST"
    if path in OPERATIONS:
        return Route("operation", path), OPERATIONS[path][0]
    if path in HEALTH:
        return Route("health", path), "GET"
    if path == METRICS:
        return Route("metrics", path), "GET"
    for prefix, (method, _) in NAMED.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return Route("named", prefix, path[len(prefix) :]), method
    if pages and (path in PAGES or path.startswith(PAGE_FILES)):
        return Route("page", path), "GET"
    known = ", ".join((*GENERATIONS, *OPERATIONS, *HEALTH, METRICS))
    raise NotFound(f"no such path; there are {known}")
