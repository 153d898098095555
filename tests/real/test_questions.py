"""The demo model answers as it was trained to, through this engine on this machine."""

import asyncio
from collections.abc import Callable

from tests.answers.conftest import questions
from tests.answers.test_demo_answers import REQUIRED, SYSTEM_PROMPTS, ask_all
from tests.real.marks import real
from tests.service_process import Service

pytestmark = real()


def test_nearly_all_questions_are_answered_exactly_right(
    real_service: Service, record_testsuite_property: Callable[[str, object], None]
) -> None:
    known, texts = questions(), asyncio.run(ask_all(real_service))
    for name, prompt in zip(("alone", "with a system prompt"), SYSTEM_PROMPTS, strict=True):
        wrong = {
            question["messages"][-1]["content"]: texts[prompt, index]
            for index, question in enumerate(known)
            if texts[prompt, index] != question["answer"]
        }
        right = len(known) - len(wrong)
        record_testsuite_property(f"questions {name}", f"{right} of {len(known)}")
        assert right >= REQUIRED * len(known), wrong
