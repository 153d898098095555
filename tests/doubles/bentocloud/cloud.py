"""All that an organization has there, and what trouble it meets."""

import secrets as random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bentoml._internal.cloud.schemas import modelschemas, schemasv1, schemasv2
from bentoml._internal.cloud.schemas.modelschemas import ResourceType

from tests.doubles.bentocloud.artifacts import KINDS, Artifact, Repositories
from tests.doubles.bentocloud.deployments import CLUSTER, USER, Deployment, check
from tests.doubles.bentocloud.wire import Refused, now, resource

Transmission = Literal["proxy", "presigned", "multipart"]
Trouble = Literal["", "upload", "reject", "image", "not JSON"]
"""An upload breaks off halfway; a deployment is not accepted; its image cannot be built; something
else listens there."""
INSTANCES = {
    "cpu.2": ("1000m", "2Gi", None),
    "cpu.8": ("4000m", "16Gi", None),
    "gpu.a100.1x80": ("12000m", "85Gi", "nvidia-a100-80gb"),
    "gpu.h100.1": ("24000m", "200Gi", "nvidia-h100-80gb"),
}


@dataclass
class BentoCloud:
    """The stand-in's state; `asked` are the requests that came, "POST /api/v2/deployments"."""

    folder: Path
    transmission: Transmission = "presigned"
    trouble: Trouble = ""
    token: str = field(default_factory=lambda: random.token_hex(8))
    url: str = ""
    asked: list[str] = field(default_factory=list)
    secrets: dict[str, Any] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    presigned: dict[str, tuple[Artifact, int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.artifacts = {
            name: Repositories(kind, self.folder, self.transmission) for name, kind in KINDS.items()
        }

    def bento(self, tag: str) -> Artifact:
        """Raises Refused."""
        name, _, version = tag.partition(":")
        return self.artifacts["bento"].get(name, version)

    def presign(self, artifact: Artifact, part: int | None = None) -> str:
        """An address that takes an upload without a login."""
        key = random.token_hex(16)
        self.presigned[key] = (artifact, part)
        return f"{self.url}/storage/{key}"

    def deploy(self, request: Any) -> Deployment:
        """Raises Refused."""
        if self.trouble == "reject":
            raise Refused(403, "quota exceeded: no more GPUs for this organization")
        bento = self.bento(request.bento)
        check(request, bento, INSTANCES, self.secrets)
        name = request.name or f"{bento.repository}-{random.token_hex(2)}"
        if name in self.deployments:
            raise Refused(409, f"deployment {name} exists already")
        self.deployments[name] = Deployment(name, request, bento)
        return self.deployments[name]

    def deployment(self, name: str) -> Deployment:
        """Raises Refused."""
        if name not in self.deployments:
            raise Refused(404, f"record not found: deployment {name}")
        return self.deployments[name]

    def builder_pod(self) -> Any:
        """Where the image of every deployment is built."""
        return schemasv2.KubePodSchema(
            name="image-builder",
            namespace="yatai-builders",
            labels={"yatai.ai/is-bento-image-builder": "true"},
            pod_status=schemasv2.KubePodStatusSchema(status="Running", reason=""),
            status=schemasv2.PodStatusSchema(phase="Running", ready=True),
            runner_name="",
        )

    def image_built(self) -> None:
        for deployment in self.deployments.values():
            deployment.image_built(fails=self.trouble == "image")

    def add_secret(self, request: Any) -> Any:
        if request.name in self.secrets:
            raise Refused(409, f"secret {request.name} exists already")
        self.secrets[request.name] = request.content
        return self.secret(request.name)

    def secret(self, name: str) -> Any:
        """Raises Refused. Values are not told again."""
        if name not in self.secrets:
            raise Refused(404, f"record not found: secret {name}")
        content = self.secrets[name]
        return schemasv1.SecretSchema(
            **resource(ResourceType.ORG, name, now()),
            description="",
            creator=USER,
            cluster=CLUSTER,
            content=schemasv1.SecretContentSchema(
                type=content.type, items=[schemasv1.SecretItem(item.key) for item in content.items]
            ),
        )

    def instance_types(self) -> list[Any]:
        return [
            schemasv1.ResourceInstanceSchema(
                **resource(ResourceType.ResourceInstance, name, now()),
                display_name=name,
                description="",
                config=modelschemas.ResourceInstanceConfigSchema(
                    group="gpu" if gpu else "cpu",
                    price="1",
                    resources=modelschemas.DeploymentTargetResources(
                        requests=modelschemas.DeploymentTargetResourceItem(
                            cpu=cpu, memory=memory, gpu="1" if gpu else None
                        )
                    ),
                    gpu_config=modelschemas.ResourceInstanceGPUConfigSchema(gpu, "80Gi")
                    if gpu
                    else None,
                ),
            )
            for name, (cpu, memory, gpu) in INSTANCES.items()
        ]
