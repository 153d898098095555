"""What an organization has on the stand-in, and what trouble it meets."""

import io
import secrets
import tarfile
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

Trouble = Literal["", "upload", "reject", "image", "not JSON"]
"""An upload is refused; a deployment is not accepted; its image cannot be built; something else
listens at the address."""
INSTANCES = {"cpu.2": None, "cpu.8": None, "gpu.a100.1x80": "1", "gpu.h100.1": "1"}
"""The GPUs of each instance type."""
USER = {"name": "ada", "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}
UPLOADED = "success"


class Refused(Exception):
    """Becomes an answer with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def resource(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Returns what every kind of resource has, with its own fields."""
    made = "2026-01-01 00:00:00.000000"
    common = {"uid": f"{kind}-{name}", "name": name, "resource_type": kind, "labels": []}
    times = {"created_at": made, "updated_at": made, "deleted_at": None}
    return {**common, **times, "description": "", **fields}


CLUSTER = resource("cluster", "here", organization_name="example", creator=USER, is_first=True)


@dataclass
class Artifact:
    """One version of a bento or a model; `files` are the sizes of what was uploaded."""

    kind: str
    repository: str
    version: str
    manifest: dict[str, Any]
    status: str = "pending"
    files: dict[str, int] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return resource(
            self.kind,
            self.version,
            version=self.version,
            manifest=self.manifest,
            image_build_status="pending",
            upload_status=self.status,
            upload_finished_reason="",
            presigned_upload_url="",
            presigned_download_url="",
            transmission_strategy="proxy",
        )

    def receive(self, archive: bytes) -> None:
        """Takes an upload. Raises Refused for what is not the whole of this version."""
        description: dict[str, Any] = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                for member in tar:
                    stream = tar.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        name, content = member.name.removeprefix("./"), stream.read()
                        self.files[name] = len(content)
                        if name == f"{self.kind}.yaml":
                            description = yaml.safe_load(content)
        except tarfile.TarError as error:
            raise Refused(400, f"the upload is no whole archive: {error}") from None
        if (description.get("name"), description.get("version")) != (self.repository, self.version):
            raise Refused(400, f"the upload is not {self.repository}:{self.version}")
        self.status = UPLOADED


@dataclass
class Deployment:
    """`config` is what the client sent."""

    config: dict[str, Any]
    status: str

    def body(self) -> dict[str, Any]:
        return resource(
            "deployment",
            self.config["name"],
            status=self.status,
            kube_namespace="yatai",
            creator=USER,
            cluster=CLUSTER,
            latest_revision=None,
            urls=[],
        )


@dataclass
class BentoCloud:
    """Holds the state; `requests` are those that came: "POST /api/v2/deployments"."""

    trouble: Trouble = ""
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    url: str = ""
    requests: list[str] = field(default_factory=list)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    repositories: set[tuple[str, str]] = field(default_factory=set)
    artifacts: dict[tuple[str, str, str], Artifact] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)

    def artifact(self, kind: str, repository: str, version: str) -> Artifact:
        """Raises Refused."""
        if (kind, repository, version) not in self.artifacts:
            raise Refused(404, f"record not found: {kind} {repository}:{version}")
        return self.artifacts[kind, repository, version]

    def secret(self, name: str) -> dict[str, Any]:
        """Returns it without its values. Raises Refused."""
        if name not in self.secrets:
            raise Refused(404, f"record not found: secret {name}")
        content = self.secrets[name]
        items = [{"key": item["key"], "value": ""} for item in content["items"]]
        return resource(
            "secret", name, creator=USER, cluster=CLUSTER, content={**content, "items": items}
        )

    def deploy(self, config: dict[str, Any]) -> Deployment:
        """Raises Refused for what no server would take."""
        if self.trouble == "reject":
            raise Refused(403, "quota exceeded: no more GPUs for this organization")
        if config["name"] in self.deployments:
            raise Refused(409, f"deployment {config['name']} exists already")
        artifact = self.artifact("bento", *config["bento"].split(":"))
        if artifact.status != UPLOADED:
            raise Refused(400, f"bento {config['bento']} was not uploaded")
        for tag in artifact.manifest["models"]:
            if self.artifact("model", *tag.split(":")).status != UPLOADED:
                raise Refused(400, f"model {tag} was not uploaded")
        services = {service["name"] for service in artifact.manifest["services"]}
        for name, service in config["services"].items():
            if name not in services or service["instance_type"] not in INSTANCES:
                raise Refused(400, f"no {name!r} on {service['instance_type']!r}")
        for name in config.get("secrets") or ():
            self.secret(name)
        status = "image-build-failed" if self.trouble == "image" else "running"
        self.deployments[config["name"]] = Deployment(config, status)
        return self.deployments[config["name"]]
