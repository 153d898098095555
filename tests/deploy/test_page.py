"""The commands of docs/bentocloud.md work as written."""

import json
import re
import sys
from pathlib import Path

from tests.deploy.conftest import CloudFactory
from tests.deploy.support import Person
from tests.models.configs import LLAMA_3_8B
from tests.plan.hub import Hub, serving
from tests.service_process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "bentocloud.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def test_the_commands_work(tmp_path: Path, cloud: CloudFactory) -> None:
    """In one go, by one person."""
    here = cloud()
    home = tmp_path / "home"
    home.mkdir()
    with serving(Hub({MODEL: {"config.json": json.dumps(LLAMA_3_8B).encode()}})) as hub:
        programs = f"export PATH={Path(sys.executable).parent}:$PATH"
        person = Person(
            home, here, programs, {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
        )
        for block in BLOCKS:
            person.run("sh", "-ec", block)
    assert set(here.deployments) == {"my-echo", "llm-vllm"}
    assert {one.status.value for one in here.deployments.values()} == {"running"}
    assert here.deployments["my-echo"].config.services["Echo"].scaling.max_replicas == 2
    vllm = here.deployments["llm-vllm"].config
    assert (vllm.secrets, vllm.services["VLLM"].instance_type) == (["huggingface"], "gpu.h100.1")
