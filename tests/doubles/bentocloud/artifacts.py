"""Bentos and models: repositories, versions, and their uploads."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bentoml._internal.cloud.schemas import schemasv1
from bentoml._internal.cloud.schemas.modelschemas import ResourceType, UploadStatus

from tests.doubles.bentocloud.uploads import Upload
from tests.doubles.bentocloud.wire import Refused, now, resource


@dataclass(frozen=True)
class Kind:
    """`description` is the file in an archive that holds name and version."""

    name: str
    description: str
    repository_type: ResourceType
    version_type: ResourceType
    schema: type
    repository_schema: type
    create_repository: type
    create: type


BENTOS = Kind(
    "bento",
    "bento.yaml",
    ResourceType.BENTO_REPOSITORY,
    ResourceType.BENTO,
    schemasv1.BentoSchema,
    schemasv1.BentoRepositorySchema,
    schemasv1.CreateBentoRepositorySchema,
    schemasv1.CreateBentoSchema,
)
MODELS = Kind(
    "model",
    "model.yaml",
    ResourceType.MODEL_REPOSITORY,
    ResourceType.MODEL,
    schemasv1.ModelSchema,
    schemasv1.ModelRepositorySchema,
    schemasv1.CreateModelRepositorySchema,
    schemasv1.CreateModelSchema,
)
KINDS = {kind.name: kind for kind in (BENTOS, MODELS)}


@dataclass
class Artifact:
    """One version. `content` is what the client registered it with."""

    kind: Kind
    repository: str
    version: str
    content: Any
    upload: Upload
    transmission: str
    status: UploadStatus = UploadStatus.PENDING
    reason: str = ""
    made: datetime = field(default_factory=now)

    def schema(self, *, url: str = "", upload_id: str | None = None) -> Any:
        return self.kind.schema(**self.fields(url=url, upload_id=upload_id))

    def fields(self, *, url: str = "", upload_id: str | None = None) -> dict[str, Any]:
        return {
            **resource(self.kind.version_type, self.version, self.made),
            "labels": self.content.labels,
            "description": self.content.description,
            "version": self.version,
            "image_build_status": "pending",
            "upload_status": self.status.value,
            "upload_finished_reason": self.reason,
            "presigned_upload_url": url,
            "presigned_download_url": "",
            "manifest": self.content.manifest,
            # The client asks for a single address where none is told.
            "transmission_strategy": {"proxy": "proxy", "multipart": "presigned_url"}.get(
                self.transmission
            ),
            "upload_id": upload_id,
        }

    def finish(self, status: UploadStatus, reason: str) -> None:
        """Raises Refused where a success is claimed for what is not whole."""
        if status is UploadStatus.SUCCESS:
            told = self.upload.description(self.kind.description)
            if (told["name"], str(told["version"])) != (self.repository, self.version):
                raise Refused(400, f"the upload is {told['name']}:{told['version']}")
        self.status, self.reason = status, reason


class Repositories:
    """Of one kind; `folder` is where uploads go."""

    def __init__(self, kind: Kind, folder: Path, transmission: str) -> None:
        self.kind = kind
        self.folder = folder
        self.transmission = transmission
        self.names: dict[str, datetime] = {}
        self.versions: dict[tuple[str, str], Artifact] = {}

    def repository(self, name: str) -> Any:
        """Raises Refused."""
        if name not in self.names:
            raise Refused(404, f"record not found: {self.kind.name} repository {name}")
        return self.kind.repository_schema(
            **resource(self.kind.repository_type, name, self.names[name]),
            description="",
            **{f"latest_{self.kind.name}": None},
        )

    def add_repository(self, request: Any) -> Any:
        if request.name in self.names:
            raise Refused(400, f"{self.kind.name} repository {request.name} exists already")
        self.names[request.name] = now()
        return self.repository(request.name)

    def add(self, name: str, request: Any) -> Artifact:
        self.repository(name)
        key = (name, request.version)
        if key in self.versions:
            raise Refused(400, f"{self.kind.name} {name}:{request.version} exists already")
        folder = self.folder / self.kind.name / name / request.version
        folder.mkdir(parents=True)
        made = Artifact(
            self.kind, name, request.version, request, Upload(folder), self.transmission
        )
        self.versions[key] = made
        return made

    def get(self, name: str, version: str) -> Artifact:
        """Raises Refused."""
        if (name, version) not in self.versions:
            raise Refused(404, f"record not found: {self.kind.name} {name}:{version}")
        return self.versions[name, version]
