"""Deployments: what is accepted, and how one comes to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bentoml._internal.cloud.schemas import modelschemas, schemasv1, schemasv2
from bentoml._internal.cloud.schemas.modelschemas import DeploymentStatus, ResourceType

from tests.doubles.bentocloud.artifacts import Artifact
from tests.doubles.bentocloud.wire import Refused, now, resource

NAMESPACE = "yatai"
USER = schemasv1.UserSchema(
    name="ada", email="ada@example.com", first_name="Ada", last_name="Lovelace"
)
CLUSTER = schemasv1.ClusterSchema(
    **resource(ResourceType.CLUSTER, "here", now()),
    description="",
    organization_name="example",
    creator=USER,
    is_first=True,
)
STRATEGIES = {strategy.value for strategy in modelschemas.DeploymentStrategy}


@dataclass
class Deployment:
    """`config` is what the client sent, once it was accepted."""

    name: str
    config: Any
    bento: Artifact
    status: DeploymentStatus = DeploymentStatus.ImageBuilding
    made: datetime = field(default_factory=now)

    def schema(self) -> Any:
        return schemasv2.DeploymentFullSchema(
            **resource(ResourceType.DEPLOYMENT, self.name, self.made),
            status=self.status.value,
            kube_namespace=NAMESPACE,
            creator=USER,
            cluster=CLUSTER,
            latest_revision=self._revision(),
            manifest=schemasv2.DeploymentManifestSchema(dev=self.config.dev),
            urls=[f"https://{self.name}.example.com"],
        )

    def _revision(self) -> Any:
        target = schemasv2.DeploymentTargetSchema(
            **resource(ResourceType.DEPLOYMENT_REVISION, "main", self.made),
            creator=USER,
            config=schemasv2.DeploymentConfigSchema(
                access_authorization=self.config.access_authorization,
                envs=self.config.envs,
                labels=self.config.labels,
                secrets=self.config.secrets,
                services=self.config.services,
            ),
            bento=schemasv1.BentoWithRepositorySchema(
                **self.bento.fields(),
                repository=schemasv1.BentoRepositorySchema(
                    **resource(ResourceType.BENTO_REPOSITORY, self.bento.repository, self.made),
                    description="",
                    latest_bento=None,
                ),
            ),
        )
        return schemasv2.DeploymentRevisionSchema(
            **resource(ResourceType.DEPLOYMENT_REVISION, "1", self.made),
            creator=USER,
            status="active",
            targets=[target],
        )

    def image_built(self, *, fails: bool) -> None:
        """When its log has been read to the end."""
        if self.status is DeploymentStatus.ImageBuilding:
            self.status = DeploymentStatus.ImageBuildFailed if fails else DeploymentStatus.Running


def check(
    request: Any, bento: Artifact, instances: Mapping[str, Any], secrets: Mapping[str, Any]
) -> None:
    """What a server knows and its client does not. Raises Refused."""
    if bento.status is not modelschemas.UploadStatus.SUCCESS:
        raise Refused(400, f"bento {request.bento} was not uploaded: {bento.status.value}")
    services = {service.name for service in bento.content.manifest.services}
    for name, config in request.services.items():
        if name not in services:
            raise Refused(400, f"bento {request.bento} has no service {name!r}")
        if config.instance_type not in instances:
            raise Refused(400, f"no instance type {config.instance_type!r} in this cluster")
        if config.deployment_strategy not in STRATEGIES:
            raise Refused(400, f"unknown deployment strategy {config.deployment_strategy!r}")
        scaling = config.scaling
        if not 0 <= scaling.min_replicas <= scaling.max_replicas:
            raise Refused(400, f"scaling from {scaling.min_replicas} to {scaling.max_replicas}")
    for name in request.secrets or ():
        if name not in secrets:
            raise Refused(400, f"no secret {name!r}")
    given = {one.name for one in request.envs or ()} | {
        item.key for name in request.secrets or () for item in secrets[name].items
    }
    given |= {one.name for c in request.services.values() for one in c.envs or ()}
    needed = [e.name for e in bento.content.manifest.envs if not e.value and e.stage != "build"]
    if missing := [name for name in needed if name not in given]:
        raise Refused(400, f"no value for {', '.join(missing)}")
