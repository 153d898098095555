"""Routes of repositories and uploads: one set for bentos, the same for models."""

from typing import Any

from bentoml._internal.cloud.schemas import schemasv1
from bentoml._internal.cloud.schemas.modelschemas import UploadStatus
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.doubles.bentocloud.artifacts import Artifact, Kind, Repositories
from tests.doubles.bentocloud.cloud import BentoCloud
from tests.doubles.bentocloud.wire import Refused, answer, plain, read


class Storage:
    """What a client asks of one kind of artifact."""

    def __init__(self, cloud: BentoCloud, kind: Kind) -> None:
        self.cloud = cloud
        self.kind = kind

    @property
    def all(self) -> Repositories:
        return self.cloud.artifacts[self.kind.name]

    def routes(self) -> list[Route]:
        repositories = f"/api/v1/{self.kind.name}_repositories"
        versions = f"{repositories}/{{repository}}/{self.kind.name}s"
        one = f"{versions}/{{version}}"
        return [
            Route(repositories, self.add_repository, methods=["POST"]),
            Route(f"{repositories}/{{repository}}", self.repository),
            Route(versions, self.add, methods=["POST"]),
            Route(one, self.get),
            Route(one, self.update, methods=["PATCH"]),
            Route(f"{one}/presign_upload_url", self.presign, methods=["PATCH"]),
            Route(f"{one}/start_upload", self.start, methods=["PATCH"]),
            Route(f"{one}/upload", self.upload, methods=["PUT"]),
            Route(f"{one}/finish_upload", self.finish, methods=["PATCH"]),
            Route(f"{one}/start_multipart_upload", self.start_parts, methods=["PATCH"]),
            Route(f"{one}/presign_multipart_upload_url", self.presign_part, methods=["PATCH"]),
            Route(f"{one}/complete_multipart_upload", self.complete, methods=["PATCH"]),
        ]

    def artifact(self, request: Request) -> Artifact:
        """Raises Refused."""
        return self.all.get(request.path_params["repository"], request.path_params["version"])

    async def add_repository(self, request: Request) -> Response:
        body = read(await request.json(), self.kind.create_repository)
        return answer(self.all.add_repository(body))

    async def repository(self, request: Request) -> Response:
        return answer(self.all.repository(request.path_params["repository"]))

    async def add(self, request: Request) -> Response:
        body = read(await request.json(), self.kind.create)
        return answer(self.all.add(request.path_params["repository"], body).schema())

    async def get(self, request: Request) -> Response:
        return answer(self.artifact(request).schema())

    async def update(self, request: Request) -> Response:
        artifact = self.artifact(request)
        body = read(await request.json(), schemasv1.UpdateBentoSchema)
        artifact.content.manifest, artifact.content.labels = body.manifest, body.labels
        return answer(artifact.schema())

    async def presign(self, request: Request) -> Response:
        artifact = self.artifact(request)
        return answer(artifact.schema(url=self.cloud.presign(artifact)))

    async def start(self, request: Request) -> Response:
        artifact = self.artifact(request)
        artifact.status, artifact.upload.open = UploadStatus.BUILDING, True
        return answer(artifact.schema())

    async def upload(self, request: Request) -> Response:
        """Through this server; nothing tells its end but the body."""
        artifact = self.artifact(request)
        await receive(self.cloud, artifact, request, None)
        artifact.finish(UploadStatus.SUCCESS, "")
        return answer(None)

    async def finish(self, request: Request) -> Response:
        artifact = self.artifact(request)
        body = read(await request.json(), schemasv1.FinishUploadSchema)
        artifact.finish(UploadStatus(body.status), body.reason)
        return answer(artifact.schema())

    async def start_parts(self, request: Request) -> Response:
        artifact = self.artifact(request)
        return answer(artifact.schema(upload_id=upload_id(artifact)))

    async def presign_part(self, request: Request) -> Response:
        artifact = self.artifact(request)
        body = read(await request.json(), schemasv1.PreSignMultipartUploadUrlSchema)
        _same_upload(artifact, body)
        return answer(artifact.schema(url=self.cloud.presign(artifact, body.part_number)))

    async def complete(self, request: Request) -> Response:
        artifact = self.artifact(request)
        body = read(await request.json(), schemasv1.CompleteMultipartUploadSchema)
        _same_upload(artifact, body)
        artifact.upload.complete([(part.part_number, part.etag) for part in body.parts])
        return answer(artifact.schema())


def upload_id(artifact: Artifact) -> str:
    return f"upload-of-{artifact.repository}-{artifact.version}"


def _same_upload(artifact: Artifact, body: Any) -> None:
    if body.upload_id != upload_id(artifact):
        raise Refused(400, f"NoSuchUpload: {plain(body)}")


async def receive(cloud: BentoCloud, artifact: Artifact, request: Request, part: int | None) -> str:
    """The ETag of an upload, or of a part. Raises Refused."""
    if not artifact.upload.open:
        raise Refused(400, "the upload was not started")
    length = request.headers.get("content-length")
    if length is None:
        raise Refused(411, "MissingContentLength")
    broken = cloud.trouble == "upload"
    return await artifact.upload.receive(request.stream(), int(length), part, broken=broken)
