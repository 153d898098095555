"""The commands of docs/bentocloud.md work as written."""

import json
import re
from pathlib import Path

from tests.bentocloud.person import Person
from tests.doubles.bentocloud.cloud import BentoCloud
from tests.models.configs import LLAMA_3_8B
from tests.plan.hub import Hub, serving
from tests.service_process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "bentocloud.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def test_the_commands_work(tmp_path: Path, cloud: BentoCloud) -> None:
    """In one go, by one person."""
    home = tmp_path / "home"
    home.mkdir()
    with serving(Hub({MODEL: {"config.json": json.dumps(LLAMA_3_8B).encode()}})) as hub:
        variables = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
        for block in BLOCKS:
            Person(home, cloud, variables).run("sh", "-ec", block)
    assert set(cloud.deployments) == {"my-echo", "llm-vllm"}
    echo, vllm = (cloud.deployments[name].config for name in ("my-echo", "llm-vllm"))
    assert echo["services"]["Echo"]["scaling"]["max_replicas"] == 2
    assert vllm["secrets"] == ["huggingface"]
    assert vllm["services"]["VLLM"]["instance_type"] == "gpu.h100.1"
