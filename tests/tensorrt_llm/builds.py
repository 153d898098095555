"""What the tests of the builder share."""

from tests.service_process import REPOSITORY

DOUBLE = REPOSITORY / "tests" / "doubles" / "build_tools" / "trtllm"
EXAMPLES = ("--examples", str(DOUBLE / "examples"))
AWQ = ("--quantization", "int4_awq")
AUTOAWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}
