"""Serves the stand-in on a port of its own, in a thread of the test."""

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.doubles.bentocloud.cloud import (
    INSTANCES,
    USER,
    Artifact,
    BentoCloud,
    Refused,
    resource,
)
from tests.service_process import eventually


class _Api:
    """Answers the requests of BentoML's client, with uploads through the server itself."""

    def __init__(self, cloud: BentoCloud) -> None:
        self.cloud = cloud

    def routes(self) -> list[Route]:
        repositories = "/api/v1/{kind}_repositories"
        version = f"{repositories}/{{repository}}/{{kinds}}/{{version}}"
        deployments = "/api/v2/deployments"
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/api/v1/auth/current", self.user),
            ("GET", "/api/v1/current_org", self.organization),
            ("GET", "/api/v1/instance_types", self.instance_types),
            ("POST", "/api/v1/org_secrets", self.add_secret),
            ("GET", "/api/v1/org_secrets/{name}", self.secret),
            ("POST", deployments, self.deploy),
            ("GET", f"{deployments}/{{name}}", self.deployment),
            ("POST", repositories, self.add_repository),
            ("GET", f"{repositories}/{{repository}}", self.repository),
            ("POST", f"{repositories}/{{repository}}/{{kinds}}", self.add_version),
            ("GET", version, self.version),
            ("PATCH", version, self.version),
            ("PATCH", f"{version}/start_upload", self.version),
            ("PUT", f"{version}/upload", self.upload),
        ]
        return [Route(path, answer, methods=[method]) for method, path, answer in table]

    async def user(self, request: Request) -> Response:
        return JSONResponse(USER)

    async def organization(self, request: Request) -> Response:
        return JSONResponse(resource("organization", "example"))

    async def instance_types(self, request: Request) -> Response:
        types = [
            resource(
                "resource_instance",
                name,
                display_name=name,
                config={
                    "group": "gpu" if gpus else "cpu",
                    "price": "1",
                    "resources": {"requests": {"cpu": "1000m", "memory": "2Gi", "gpu": gpus}},
                },
            )
            for name, gpus in INSTANCES.items()
        ]
        return JSONResponse(types)

    async def add_secret(self, request: Request) -> Response:
        body = await request.json()
        self.cloud.secrets[body["name"]] = body["content"]
        return JSONResponse(self.cloud.secret(body["name"]))

    async def secret(self, request: Request) -> Response:
        return JSONResponse(self.cloud.secret(request.path_params["name"]))

    async def deploy(self, request: Request) -> Response:
        return JSONResponse(self.cloud.deploy(await request.json()).body())

    async def deployment(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.cloud.deployments:
            raise Refused(404, f"record not found: deployment {name}")
        return JSONResponse(self.cloud.deployments[name].body())

    async def add_repository(self, request: Request) -> Response:
        kind, name = request.path_params["kind"], (await request.json())["name"]
        self.cloud.repositories.add((kind, name))
        return self._repository(kind, name)

    async def repository(self, request: Request) -> Response:
        return self._repository(request.path_params["kind"], request.path_params["repository"])

    def _repository(self, kind: str, name: str) -> Response:
        if (kind, name) not in self.cloud.repositories:
            raise Refused(404, f"record not found: {kind} repository {name}")
        return JSONResponse(resource(f"{kind}_repository", name, **{f"latest_{kind}": None}))

    async def add_version(self, request: Request) -> Response:
        kind, repository = request.path_params["kind"], request.path_params["repository"]
        body = await request.json()
        artifact = Artifact(kind, repository, body["version"], body["manifest"])
        self.cloud.artifacts[kind, repository, body["version"]] = artifact
        return JSONResponse(artifact.body())

    def _artifact(self, request: Request) -> Artifact:
        names = ("kind", "repository", "version")
        return self.cloud.artifact(*(request.path_params[name] for name in names))

    async def version(self, request: Request) -> Response:
        return JSONResponse(self._artifact(request).body())

    async def upload(self, request: Request) -> Response:
        archive = await request.body()
        if self.cloud.trouble == "upload":
            raise Refused(507, "the storage is full")
        self._artifact(request).receive(archive)
        return JSONResponse(None)


def application(cloud: BentoCloud) -> Starlette:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse({"error": str(error)}, error.status)

    async def door(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        cloud.requests.append(f"{request.method} {request.url.path}")
        if cloud.trouble == "not JSON":
            return PlainTextResponse("It works!")
        if request.headers.get("x-yatai-api-token") != cloud.token:
            return JSONResponse({"error": "the API token is not valid"}, 401)
        return await call_next(request)

    return Starlette(
        routes=_Api(cloud).routes(),
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=door)],
        exception_handlers={Refused: refused},
    )


@contextmanager
def serving(cloud: BentoCloud) -> Iterator[BentoCloud]:
    """Serves it; its address is in `url` from here on."""
    listener = socket.create_server(("127.0.0.1", 0))
    cloud.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(application(cloud), log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started, 30, "the stand-in listens")
        yield cloud
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
