"""Triton on a GPU: the image holds TensorRT-LLM's backend, and a compiled engine streams."""

from pathlib import Path

from tests.real.engines.support import assert_capital
from tests.real.marks import real
from tests.service_process import Service

BACKEND = Path("/opt/tritonserver/backends/tensorrtllm")


@real("triton", gpus=1)
def test_the_image_holds_the_backend_that_the_adapter_is_for() -> None:
    assert list(BACKEND.glob("libtriton_tensorrtllm*.so")), f"none in {BACKEND}"


@real("triton", gpus=1)
def test_the_compiled_engine_answers(real_service: Service) -> None:
    assert_capital(real_service)
