"""What test_bento.py asks of the service of a quantized model, besides the contract.

pytest collects it only by its name: it needs that service.
"""

import asyncio

from tests.answers.conftest import questions
from tests.answers.test_demo_answers import ask_all
from tests.contract.support import model_card
from tests.quantization.test_checkpoints import REQUIRED
from tests.service_process import Service


def test_it_answers_right(backend_service: Service) -> None:
    texts = asyncio.run(ask_all(backend_service, [None]))
    right = sum(texts[None, i] == q["answer"] for i, q in enumerate(questions()))
    print(f"awq: {right} of {len(texts)}")
    assert right >= REQUIRED * len(texts)


def test_its_scheme_is_told(backend_service: Service) -> None:
    assert model_card(backend_service)["quantization"] == "w4a16"
    assert 'quantization="w4a16"' in backend_service.http.get("/metrics").text
