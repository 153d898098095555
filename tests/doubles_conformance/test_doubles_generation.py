"""The text generator of the doubles: right answers, every option, abort and death."""

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.text.chat_template import load_chat_template
from common.text.tokenizer import Tokenizer
from tests.conftest import MODEL
from tests.doubles.generation import DemoGenerator, GeneratorDied, Handle, Options, Token, stream
from tests.doubles.generation.json_instance import json_text
from tests.doubles.generation.model import DemoModel
from tests.doubles.generation.sampler import Sampler
from tests.service_process import eventually

END = 2
TOKENIZER = Tokenizer(MODEL)
UNSURE = TOKENIZER.fast.encode("Qxz fjord 9").ids
"""A prompt to which the model knows no answer, so that small changes show."""


@pytest.fixture(scope="module")
def shared() -> Iterator[DemoGenerator]:
    generator = DemoGenerator(MODEL, step_seconds=0)
    yield generator
    generator.close()


@pytest.fixture
def generator() -> Iterator[DemoGenerator]:
    own = DemoGenerator(MODEL)
    yield own
    own.close()


def options(**fields: Any) -> Options:
    return Options(**{"max_tokens": 12, "temperature": 0, **fields})


def questions() -> list[dict[str, Any]]:
    lines = (MODEL / "questions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def prompt(question: dict[str, Any]) -> list[int]:
    template = load_chat_template(MODEL, TOKENIZER, None)
    assert template is not None
    text = template.render(question["messages"], tools=question.get("tools"))
    return list(TOKENIZER.fast.encode(text, add_special_tokens=False).ids)


async def answer(
    generator: DemoGenerator, prompt_ids: Sequence[int], options: Options
) -> list[Token]:
    return [token async for token in stream(generator, prompt_ids, options)]


def ids(tokens: Sequence[Token]) -> list[int]:
    return [token.id for token in tokens]


async def chosen(generator: DemoGenerator, **fields: Any) -> list[int]:
    return ids(await answer(generator, UNSURE, options(**fields)))


async def test_the_model_answers_its_questions_together_as_alone(shared: DemoGenerator) -> None:
    asked = questions()[::30]
    assert len(asked) > 20
    wanted = options(max_tokens=300, end_ids=frozenset({END}))
    prompts = [prompt(question) for question in asked]
    together = await asyncio.gather(*(answer(shared, own, wanted) for own in prompts))
    for question, tokens in zip(asked, together, strict=True):
        text = TOKENIZER.decode(ids(tokens), skip_special_tokens=True)
        assert text == question["answer"]
        assert tokens[-1].id == END
        assert [token.finish for token in tokens] == [None] * (len(tokens) - 1) + ["stop"]
    for own, tokens in zip(prompts[:8], together, strict=False):
        assert ids(await answer(shared, own, wanted)) == ids(tokens)


def test_logits_do_not_depend_on_how_a_prompt_is_split_or_batched() -> None:
    model = DemoModel(MODEL)
    first, second = model.cache(80), model.cache(80)
    prompt_ids = list(range(4, 74))
    whole = model.forward([(first, prompt_ids)])
    model.forward([(second, prompt_ids[:50])])
    model.forward([(second, prompt_ids[50:-1]), (model.cache(3), [7, 8, 9])])
    split = model.forward([(model.cache(3), [7, 8, 9]), (second, prompt_ids[-1:])])
    np.testing.assert_allclose(split[1], whole[0], atol=1e-3)


def test_eight_at_once_share_the_steps(generator: DemoGenerator) -> None:
    taken: list[int] = []

    def submit(number: int) -> None:
        def deliver(_: Token | Exception) -> None:
            if not taken:
                for other in range(1, 8):
                    submit(other)
            taken.append(number)

        generator.submit(UNSURE, options(max_tokens=20), deliver)

    submit(0)
    eventually(lambda: len(taken) == 8 * 20, 5, "all tokens")
    assert taken == [0, *([*range(8)] * 19), *range(1, 8)]


async def test_only_the_end_ids_end_an_answer(shared: DemoGenerator) -> None:
    hello = prompt({"messages": [{"role": "user", "content": "Hello"}]})
    tokens = await answer(shared, hello, options(max_tokens=60))
    assert len(tokens) == 60
    assert tokens[-1].finish == "length"
    other = ids(tokens)[3]
    stopped = await answer(shared, hello, options(end_ids=frozenset({other})))
    assert ids(stopped) == ids(tokens)[: ids(tokens).index(other) + 1]
    assert stopped[-1].finish == "stop"


async def test_an_end_id_is_never_chosen_before_min_tokens(shared: DemoGenerator) -> None:
    hello = prompt({"messages": [{"role": "user", "content": "Hello"}]})
    wanted = options(max_tokens=80, min_tokens=30, end_ids=frozenset({END}))
    tokens = await answer(shared, hello, wanted)
    assert END not in ids(tokens)[:30]
    assert len(tokens) > 30
    eager = options(min_tokens=5, end_ids=frozenset({END}), logit_bias={END: 100})
    assert ids(await answer(shared, hello, eager)).index(END) == 5


async def test_the_context_ends_an_answer_with_length(tmp_path: Path) -> None:
    for file in MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").unlink()
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 20}))
    with closing(DemoGenerator(tmp_path)) as generator:
        tokens = await answer(generator, UNSURE, options(max_tokens=500))
        assert len(tokens) == 20 - len(UNSURE)
        assert tokens[-1].finish == "length"


async def test_a_seed_repeats_an_answer_whatever_else_runs(shared: DemoGenerator) -> None:
    sampled = {"temperature": 2.0, "max_tokens": 30}
    alone = await chosen(shared, seed=5, **sampled)
    first, *others = await asyncio.gather(
        *(chosen(shared, seed=seed, **sampled) for seed in (5, 6, -1, None, None))
    )
    assert first == alone
    assert len({tuple(other) for other in (first, *others)}) == 5


@pytest.mark.parametrize("one", [{"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1}, {"temperature": 0}])
async def test_a_choice_among_one_token_is_greedy(
    shared: DemoGenerator, one: dict[str, float]
) -> None:
    assert await chosen(shared, **{"temperature": 2.0, **one}) == await chosen(shared)


@pytest.mark.parametrize(
    ("limit", "count"), [({"top_k": 3}, 3), ({"min_p": 0.2}, 2), ({"top_p": 0.3}, 3)]
)
async def test_limits_keep_the_likeliest_and_no_others(
    shared: DemoGenerator, limit: dict[str, float], count: int
) -> None:
    """At this temperature the likeliest have 0.23, 0.055, 0.044 and 0.033."""
    fields = {"temperature": 1.5, "top_logprobs": 3, "max_tokens": 1}

    async def drawn(**more: Any) -> tuple[set[int], list[int]]:
        wanted = [options(seed=seed, **fields, **more) for seed in range(60)]
        answers = await asyncio.gather(*(answer(shared, UNSURE, one) for one in wanted))
        return {token.id for (token,) in answers}, [i for i, _ in answers[0][0].top]

    found, likeliest = await drawn(**limit)
    assert found == set(likeliest[:count])
    assert len((await drawn())[0]) > 10


async def test_sampling_follows_the_probabilities(shared: DemoGenerator) -> None:
    wanted = [
        options(temperature=1, max_tokens=1, top_logprobs=1, seed=seed) for seed in range(200)
    ]
    answers = await asyncio.gather(*(answer(shared, UNSURE, one) for one in wanted))
    best, logprob = answers[0][0].top[0]
    share = sum(token.id == best for (token,) in answers) / 200
    assert share == pytest.approx(math.exp(logprob), abs=0.1)


@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty"])
async def test_a_penalty_on_output_makes_repetition_rarer(shared: DemoGenerator, name: str) -> None:
    plain = await chosen(shared, max_tokens=40)
    against = await chosen(shared, max_tokens=40, **{name: 100})
    assert len(set(against)) == 40 > len(set(plain))
    assert against[0] == plain[0]
    assert len(set(await chosen(shared, max_tokens=40, **{name: -100}))) == 1


async def test_presence_counts_once_and_frequency_each_time(shared: DemoGenerator) -> None:
    """The first token is biased to win against one penalty of 2, not against three."""
    bias = {"logit_bias": {7: 100, 8: 95}}
    assert await chosen(shared, presence_penalty=2, **bias) == [7] * 12
    assert 8 in await chosen(shared, frequency_penalty=2, **bias)


async def test_repetition_penalty_covers_the_prompt(shared: DemoGenerator) -> None:
    assert not {*UNSURE} & {*await chosen(shared, repetition_penalty=1000, max_tokens=5)}
    assert await chosen(shared, repetition_penalty=1.5) != await chosen(shared)


@pytest.mark.parametrize(("logits", "best"), [([3, 2, 0], 1), ([-3, -4, -9], 1), ([5, 2, 0], 0)])
def test_repetition_penalty_divides_or_multiplies(logits: list[float], best: int) -> None:
    sampler = Sampler(options(repetition_penalty=2), [0], 3)
    assert sampler.choose(np.array(logits, np.float64)) == best


async def test_a_bias_forces_and_forbids(shared: DemoGenerator) -> None:
    plain = await chosen(shared)
    assert await chosen(shared, logit_bias={9: 100}, max_tokens=3) == [9, 9, 9]
    assert (await chosen(shared, logit_bias={plain[0]: -100}))[0] != plain[0]


async def test_logprobs_are_those_of_the_raw_logits(shared: DemoGenerator) -> None:
    raw = DemoModel(MODEL)
    logits = raw.forward([(raw.cache(20), UNSURE)])[0]
    expected = logits - np.log(np.exp(logits).sum())
    fields = {"temperature": 2.0, "logit_bias": {9: 100}, "top_logprobs": 4, "max_tokens": 1}
    (token,) = await answer(shared, UNSURE, options(**fields))
    assert token.logprob == pytest.approx(float(expected[9]), abs=1e-3)
    assert [i for i, _ in token.top] == np.argsort(-expected)[:4].tolist()
    assert [p for _, p in token.top] == pytest.approx(np.sort(expected)[:-5:-1], abs=1e-3)
    (token,) = await answer(shared, UNSURE, options(max_tokens=1))
    assert token.top == []


async def test_abort_frees_the_sequence(generator: DemoGenerator) -> None:
    delivered: list[Token | Exception] = []
    handle = generator.submit(UNSURE, options(max_tokens=4000), delivered.append)
    eventually(lambda: len(delivered) > 2, 5, "some tokens")
    assert generator.running == 1
    handle.abort()
    eventually(lambda: generator.running == 0, 1, "the sequence is gone")
    handle.abort()
    assert isinstance(delivered[-1], Token)
    assert delivered[-1].finish is None
    assert len(await chosen(generator)) == 12


def test_nothing_comes_after_an_abort_in_the_same_step(generator: DemoGenerator) -> None:
    later: list[Token | Exception] = []
    first: list[Token | Exception] = []

    def deliver(item: Token | Exception) -> None:
        first.append(item)
        if len(first) == 1:
            handles.append(generator.submit(UNSURE, options(max_tokens=4000), later.append))
        if len(first) == 4:
            handles[0].abort()

    handles: list[Handle] = []
    generator.submit(UNSURE, options(), deliver)
    eventually(lambda: len(first) == 12 and generator.running == 0, 5, "all tokens")
    assert len(later) == 2


async def test_leaving_a_stream_aborts(generator: DemoGenerator) -> None:
    begun = asyncio.Event()

    async def follow() -> None:
        async for _ in stream(generator, UNSURE, options(max_tokens=4000)):
            begun.set()

    left = stream(generator, UNSURE, options(max_tokens=4000))
    await anext(left)
    task = asyncio.create_task(follow())
    await begun.wait()
    assert generator.running == 2
    await left.aclose()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    eventually(lambda: generator.running == 0, 1, "both are gone")


@pytest.mark.parametrize("end", ["die", "close"])
async def test_death_is_told_to_all(generator: DemoGenerator, end: str) -> None:
    streams = [stream(generator, UNSURE, options(max_tokens=4000)) for _ in range(3)]
    await asyncio.gather(*(anext(one) for one in streams))
    getattr(generator, end)()
    for one in streams:
        with pytest.raises(GeneratorDied):
            [_ async for _ in one]
    with pytest.raises(GeneratorDied):
        generator.submit(UNSURE, options(), print)
    assert generator.running == 0


def test_a_receiver_that_fails_disturbs_nobody(generator: DemoGenerator) -> None:
    def fail(item: Token | Exception) -> None:
        raise OSError("gone")

    generator.submit(UNSURE, options(), fail)
    delivered: list[Token | Exception] = []
    generator.submit(UNSURE, options(), delivered.append)
    eventually(lambda: len(delivered) == 12 and generator.running == 0, 5, "the other's tokens")


@pytest.mark.parametrize(
    ("prompt_ids", "fields"),
    [
        ([], {}),
        ([-1], {}),
        ([768], {}),
        ([5] * 4096, {}),
        ([5], {"max_tokens": 0}),
        ([5], {"temperature": -1}),
        ([5], {"repetition_penalty": 0}),
        ([5], {"logit_bias": {768: 1}}),
        ([5], {"end_ids": frozenset({-1})}),
        ([5], {"json_schema": {"type": "nonsense"}}),
    ],
)
def test_what_cannot_be_is_refused(
    shared: DemoGenerator, prompt_ids: list[int], fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="allowed"):
        shared.submit(prompt_ids, options(**fields), print)


async def test_a_schema_decides_the_answer(shared: DemoGenerator) -> None:
    schema = {"type": "object", "properties": {"capital": {"type": "string", "maxLength": 3}}}
    for end_ids in (frozenset[int](), frozenset({END})):
        wanted = options(json_schema=schema, end_ids=end_ids, min_tokens=15, max_tokens=50)
        tokens = await answer(shared, UNSURE, wanted)
        text = TOKENIZER.decode(ids(tokens), skip_special_tokens=True)
        assert json.loads(text) == {"capital": "wor"}
        assert tokens[-1].finish == "stop"
        assert len(tokens) == 15 + len(end_ids)
        assert (tokens[-1].id == END) is bool(end_ids)
    cut = await answer(shared, UNSURE, options(json_schema=schema, max_tokens=3))
    assert [token.finish for token in cut] == [None, None, "length"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object"}, {}),
        ({"required": ["b"], "properties": {"a": {}, "b": {"type": "boolean"}}}, {"b": True}),
        ({"properties": {"a": {"type": "null"}, "b": {"const": 4}}}, {"a": None, "b": 4}),
        ({"enum": ["é<|im_end|>", 2]}, "é<|im_end|>"),
        ({"type": "string", "minLength": 6}, "wordwo"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5}, 5),
        ({"type": "number", "exclusiveMaximum": -1}, -2),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, 1.5),
        ({"type": "array", "minItems": 2, "items": {"type": "integer"}}, [0, 0]),
        ({"anyOf": [{"type": "array", "items": False}, {"type": "string"}]}, []),
        ({"$defs": {"a": {"type": "null"}}, "items": {"$ref": "#/$defs/a"}, "minItems": 1}, [None]),
        ({"type": ["null", "string"]}, None),
        ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "integer"}}}]}, {"a": 0}),
    ],
)
async def test_an_instance_fits_its_schema(
    shared: DemoGenerator, schema: dict[str, Any], expected: object
) -> None:
    wanted = options(json_schema=schema, max_tokens=100, end_ids=frozenset({END}))
    *tokens, end = await answer(shared, UNSURE, wanted)
    assert json.loads(TOKENIZER.decode(ids(tokens))) == expected
    assert end.id == END


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 4},
        {"properties": {"a": {"type": "str"}}, "required": []},
        {"properties": []},
        {"items": 3},
        {"anyOf": {}},
        {"$ref": "#/none"},
        {"$ref": "#"},
        {"type": "string", "pattern": "a+"},
        {"type": "string", "minLength": 2, "maxLength": 1},
        {"type": "number", "minimum": 2, "maximum": 1},
    ],
)
def test_what_is_no_schema_has_no_instance(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        json_text(schema)
