"""What the tests of the builder share."""

import json
import shutil
from pathlib import Path
from typing import Any

from common.models.model import DEMO_MODEL
from tests.service_process import REPOSITORY

DOUBLE = REPOSITORY / "tests" / "doubles" / "build_tools" / "trtllm"
EXAMPLES = ("--examples", str(DOUBLE / "examples"))
AWQ = ("--quantization", "int4_awq")
AUTOAWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}


def model(folder: Path, **values: Any) -> tuple[str, str]:
    """The demo model with another config."""
    path = Path(shutil.copytree(DEMO_MODEL, folder / "model", dirs_exist_ok=True))
    config = json.loads((path / "config.json").read_text()) | values
    (path / "config.json").write_text(json.dumps(config))
    return ("--model", str(path))
