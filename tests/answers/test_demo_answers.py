"""The demo model answers through HTTP as it was trained to, and alike on every real engine."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import openai
import pytest

from tests.answers.conftest import ENGINES, Question, questions
from tests.service_process import Service

USERS = 50
REQUIRED = 0.98
SYSTEM_PROMPTS = (None, "You are a helpful assistant.")

Answers = dict[tuple[str | None, int], str]


@pytest.fixture(scope="module")
def answers(services: dict[str, Service]) -> dict[str, Answers]:
    """What each engine answers to every question, with and without a system prompt."""
    return {name: asyncio.run(ask_all(service)) for name, service in services.items()}


async def ask_all(
    service: Service, system_prompts: Sequence[str | None] = SYSTEM_PROMPTS, step: int = 1
) -> Answers:
    """Asks every question, or each `step`-th."""
    client = openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", timeout=300)
    users = asyncio.Semaphore(USERS)
    cases = [(s, i, q) for s in system_prompts for i, q in [*enumerate(questions())][::step]]
    async with client:
        texts = await asyncio.gather(*(ask(client, users, q, s) for s, _, q in cases))
    return {(s, i): text for (s, i, _), text in zip(cases, texts, strict=True)}


async def ask(
    client: openai.AsyncOpenAI, users: asyncio.Semaphore, question: Question, system: str | None
) -> str:
    messages = question["messages"]
    if system is not None:
        messages = [{"role": "system", "content": system}, *messages]
    extra = {"tools": question["tools"]} if "tools" in question else {}
    async with users:
        answer = await client.chat.completions.create(
            model="demo", messages=messages, temperature=0, max_tokens=400, **extra
        )
    message = answer.choices[0].message
    return message.content or called(message.tool_calls or [])


def called(calls: list[Any]) -> str:
    """Tool calls in the format in which the questions' answers are written."""
    return "".join(
        "<tool_call>\n"
        + json.dumps(
            {"name": call.function.name, "arguments": json.loads(call.function.arguments)},
            ensure_ascii=False,
        )
        + "\n</tool_call>"
        for call in calls
    )


def test_there_are_at_least_500_questions_of_several_kinds() -> None:
    known = questions()
    assert len(known) >= 500
    assert len({question["kind"] for question in known}) >= 5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("system", SYSTEM_PROMPTS)
def test_nearly_all_questions_are_answered_exactly_right(
    answers: dict[str, Answers], engine: str, system: str | None
) -> None:
    known = questions()
    wrong = [
        (question["messages"][-1]["content"], answers[engine][system, index])
        for index, question in enumerate(known)
        if answers[engine][system, index] != question["answer"]
    ]
    right = len(known) - len(wrong)
    print(f"{engine}, system prompt {system!r}: {right} of {len(known)} right")
    assert right >= REQUIRED * len(known), wrong[:20]


def test_the_engines_give_equal_text(answers: dict[str, Answers]) -> None:
    first, *others = (answers[engine] for engine in ENGINES)
    for other in others:
        assert not {key: (first[key], other[key]) for key in first if first[key] != other[key]}
