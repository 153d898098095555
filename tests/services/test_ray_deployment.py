"""The number of an app's replicas, fixed or between limits, and what chooses one for a request."""

import json
import shutil
from pathlib import Path

import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from services._ray_serve.config import coupled, deployment, replicas
from services._ray_serve.settings import Plan, launch_plan

LIMITS = {"min_replicas": 1, "max_replicas": 4}


def plan(**arguments: object) -> Plan:
    settings = Settings(engine_args=arguments)
    return launch_plan(settings, open_model(settings, DEMO_MODEL))


def test_limits_take_the_place_of_the_number() -> None:
    assert deployment(plan(num_replicas=3))["num_replicas"] == 3
    scaled = plan(deployment_config={"autoscaling_config": LIMITS})
    options = deployment(scaled)
    assert options["autoscaling_config"] == LIMITS
    assert "num_replicas" not in options
    assert replicas(scaled) == 4, "a cluster of our own has room for all of them"


def test_both_at_once_are_refused() -> None:
    with pytest.raises(StartError, match="leave num_replicas out"):
        plan(num_replicas=2, deployment_config={"autoscaling_config": LIMITS})


def test_copies_of_a_model_without_experts_are_replicas_like_any_other() -> None:
    settings = Settings(data_parallel_size=2, engine_args={"num_replicas": 3})
    fixed = launch_plan(settings, open_model(settings, DEMO_MODEL))
    assert deployment(fixed)["num_replicas"] == 6
    assert coupled(fixed) == 1
    given = {"deployment_config": {"autoscaling_config": {"max_replicas": 4}}}
    settings = Settings(data_parallel_size=2, engine_args=given)
    scaled = launch_plan(settings, open_model(settings, DEMO_MODEL))
    limits = {"min_replicas": 2, "max_replicas": 8}
    assert deployment(scaled)["autoscaling_config"] == limits


def test_copies_that_share_experts_begin_and_end_together(tmp_path: Path) -> None:
    settings = Settings(data_parallel_size=2, engine_args={"num_replicas": 3})
    shutil.copytree(DEMO_MODEL, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_local_experts": 4}))
    plan = launch_plan(settings, open_model(settings, tmp_path))
    assert deployment(plan)["num_replicas"] == 3
    assert coupled(plan) == 2
    assert replicas(plan) == 6


@pytest.mark.parametrize("sign", [":", "."])
def test_rays_router_by_prefixes_becomes_the_one_that_reads_token_ids(sign: str) -> None:
    path = f"ray.serve.llm.request_router{sign}PrefixCacheAffinityRouter"
    routing = {"request_router_class": path, "request_router_kwargs": {"do_eviction": True}}
    scaled = plan(deployment_config={"request_router_config": routing})
    assert deployment(scaled)["request_router_config"] == {
        "request_router_class": "services._ray_serve.router:TokenPrefixRouter",
        "request_router_kwargs": {"do_eviction": True},
    }


def test_another_router_stays_and_one_without_effect_is_refused() -> None:
    own = {"request_router_class": "mine:Router"}
    given = plan(deployment_config={"request_router_config": own})
    assert deployment(given)["request_router_config"] == own
    without_effect = {"request_router_class": "ray.serve.llm.request_router:KVAwareRouter"}
    with pytest.raises(StartError, match="KVAwareRouter chooses at random"):
        plan(deployment_config={"request_router_config": without_effect})
