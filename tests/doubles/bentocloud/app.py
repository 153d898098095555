"""The routes that BentoML's client asks."""

from base64 import b64encode
from typing import Any

from bentoml._internal.cloud.schemas import schemasv1, schemasv2
from bentoml._internal.cloud.schemas.modelschemas import ResourceType
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from tests.doubles.bentocloud.artifacts import KINDS
from tests.doubles.bentocloud.cloud import BentoCloud
from tests.doubles.bentocloud.deployments import USER
from tests.doubles.bentocloud.storage import Storage, receive
from tests.doubles.bentocloud.wire import Refused, answer, now, plain, read, resource

TOKEN = "x-yatai-api-token"
BUILDER_LOG = "#1 pulling the base image\n"


def application(cloud: BentoCloud) -> Starlette:
    api = _Api(cloud)
    routes: list[Any] = [
        Route("/api/v1/auth/current", api.user),
        Route("/api/v1/current_org", api.organization),
        Route("/api/v1/org_secrets", api.add_secret, methods=["POST"]),
        Route("/api/v1/org_secrets/{name}", api.secret),
        Route("/api/v1/instance_types", api.instance_types),
        Route("/api/v2/deployments", api.deploy, methods=["POST"]),
        Route("/api/v2/deployments/{name}", api.deployment),
        Route("/storage/{key}", api.store, methods=["PUT"]),
        WebSocketRoute("/ws/v1/clusters/{cluster}/pods", api.pods),
        WebSocketRoute("/ws/v1/clusters/{cluster}/tail", api.builder_log),
    ]
    for kind in KINDS.values():
        routes += Storage(cloud, kind).routes()
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Door, cloud=cloud)],
        exception_handlers={Refused: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


class _Door:
    """Counts what is asked, and lets nobody in without the token."""

    def __init__(self, app: ASGIApp, cloud: BentoCloud) -> None:
        self.app = app
        self.cloud = cloud

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        self.cloud.asked.append(f"{scope.get('method', 'WS')} {path}")
        app = self.app
        if self.cloud.trouble == "not JSON":
            app = PlainTextResponse("It works!")
        elif not path.startswith("/storage/"):
            given = HTTPConnection(scope).headers.get(TOKEN)
            if given != self.cloud.token:
                app = JSONResponse({"error": "the API token is not valid"}, 401)
        await app(scope, receive, send)


class _Api:
    def __init__(self, cloud: BentoCloud) -> None:
        self.cloud = cloud

    async def user(self, request: Request) -> Response:
        return answer(USER)

    async def organization(self, request: Request) -> Response:
        fields = resource(ResourceType.ORG, "example", now())
        return answer(schemasv1.OrganizationSchema(**fields, description=""))

    async def add_secret(self, request: Request) -> Response:
        body = read(await request.json(), schemasv1.CreateSecretSchema)
        return answer(self.cloud.add_secret(body))

    async def secret(self, request: Request) -> Response:
        return answer(self.cloud.secret(request.path_params["name"]))

    async def instance_types(self, request: Request) -> Response:
        return answer(self.cloud.instance_types())

    async def deploy(self, request: Request) -> Response:
        body = read(await request.json(), schemasv2.CreateDeploymentSchema)
        return answer(self.cloud.deploy(body).schema())

    async def deployment(self, request: Request) -> Response:
        return answer(self.cloud.deployment(request.path_params["name"]).schema())

    async def store(self, request: Request) -> Response:
        """Object storage: an address that was given for one upload."""
        found = self.cloud.presigned.get(request.path_params["key"])
        if found is None:
            raise Refused(403, "AccessDenied")
        artifact, part = found
        tag = await receive(self.cloud, artifact, request, part)
        return Response(headers={"ETag": tag})

    async def pods(self, socket: WebSocket) -> None:
        await socket.accept()
        pods = [self.cloud.builder_pod()]
        await socket.send_json(
            plain(schemasv2.KubePodWSResponseSchema(message="", type="success", payload=pods))
        )
        await socket.close()

    async def builder_log(self, socket: WebSocket) -> None:
        """Its end is the end of the build."""
        await socket.accept()
        await socket.receive_json()
        lines = schemasv2.LogSchema(items=[b64encode(BUILDER_LOG.encode()).decode()])
        for content in (
            schemasv2.LogWSResponseSchema(message=None, type="data", payload=lines),
            schemasv2.LogWSResponseSchema(message="EOF", type="success", payload=None),
        ):
            await socket.send_json(plain(content))
        self.cloud.image_built()
        await socket.close()
