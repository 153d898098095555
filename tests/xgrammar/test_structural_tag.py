"""The grammar of calls allows what models write by themselves, and nothing else."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from common.models.model import DEMO_MODEL
from common.sampling import Sampling
from common.text.reasoning import Reasoning
from common.text.reasoning.formats import FORMATS
from common.text.tool_calls import FORMATS as CALL_FORMATS
from services._xgrammar.structural_tag import structural_tag
from tests.gallery.members import MEMBERS
from tests.text.call_texts import WRITERS, Call, each
from tests.xgrammar.support import accepted, masked

PLACE = {"type": "object", "properties": {"city": {"enum": ["Rome", "Köln"]}}, "required": ["city"]}
SCHEMAS = {
    "get_weather": PLACE,
    "travel": {
        "type": "object",
        "properties": {"to": {"$ref": "#/$defs/Place"}},
        "required": ["to"],
        "$defs": {"Place": PLACE},
    },
}
ROME = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
TRAVEL = '<tool_call>\n{"name": "travel", "arguments": {"to": {"city": "Köln"}}}\n</tool_call>'
OSLO = ROME.replace("Rome", "Oslo")
HERMES = CALL_FORMATS["hermes"].form
LLAMA = '{"name": "get_weather", "parameters": {"city": "Rome"}}'


def allowed(form: str, texts: list[str], *, forced: bool = True, several: bool = True) -> list[str]:
    """Returns those of `texts` that are allowed."""
    grammar = CALL_FORMATS[form].form.grammar(SCHEMAS, forced=forced, several=several)
    assert grammar is not None
    (answers,) = accepted([(structural_tag(Sampling(1, calls=grammar)), texts)])
    assert answers is not None
    return [text for text, answer in zip(texts, answers, strict=True) if answer]


def test_forced_calls_are_whole_calls_of_the_format() -> None:
    right = [ROME, TRAVEL, ROME + "\n" + TRAVEL]
    wrong = ["", "Rome", OSLO, "So: " + ROME, ROME[:-1], ROME.replace("get_weather", "get_time")]
    assert allowed("hermes", right + wrong) == right


def test_one_call_is_allowed_where_one_is_asked_for() -> None:
    assert allowed("hermes", [ROME, ROME + "\n" + ROME], several=False) == [ROME]
    assert allowed("llama3_json", [LLAMA, LLAMA + LLAMA, ROME]) == [LLAMA]


def test_calls_among_text_are_strict() -> None:
    right = ["", "Sunny.", ROME, "So: " + ROME + " and " + TRAVEL + "."]
    assert allowed("hermes", [*right, OSLO, "So: " + OSLO], forced=False) == right
    once = [ROME, "So: " + ROME]
    assert allowed("hermes", [*once, ROME + ROME], forced=False, several=False) == once


ROME_CALL: Call = ("get_weather", {"city": "Rome"})
TRAVEL_CALL: Call = ("travel", {"to": {"city": "Köln"}})
OSLO_CALL: Call = ("get_weather", {"city": "Oslo"})
HARMONY = each(
    lambda name, text, n: (
        f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{text}"
    )
)
FORCIBLE = sorted(name for name, taught in CALL_FORMATS.items() if taught.form.can_be_forced)
ONE_CALL = ("harmony", "llama3_json")
"""Formats in which an answer has one call."""


def test_the_calls_of_every_format_are_allowed_and_held_to_their_schemas() -> None:
    pairs: list[tuple[Any, list[str]]] = []
    expected = []
    for form in FORCIBLE:
        write = HARMONY if form == "harmony" else WRITERS[form]
        one, both = write([ROME_CALL]), write([ROME_CALL, TRAVEL_CALL])
        wrong = [write([OSLO_CALL]), write([ROME_CALL, OSLO_CALL])]
        among_text = [*wrong, "Sunny.", f"So: {one}"]
        for forced, several in itertools.product((True, False), repeat=2):
            grammar = CALL_FORMATS[form].form.grammar(SCHEMAS, forced=forced, several=several)
            if grammar is None:
                continue
            pairs.append((structural_tag(Sampling(1, calls=grammar)), [one, both, *among_text]))
            two = several and form not in ONE_CALL
            expected.append([True, two, False, False, not forced, not forced])
    assert accepted(pairs) == expected


def test_formats_without_a_grammar_are_named() -> None:
    without = {name for name in CALL_FORMATS if name not in FORCIBLE}
    tags = {"qwen3_coder", "seed", "glm", "minimax_m2"}
    assert without == {*tags, "pythonic", "lfm2"}
    assert CALL_FORMATS["llama3_json"].form.grammar(SCHEMAS, forced=False, several=True) is None


MEMBERS_THAT_CALL = {
    "kimi-k2": "kimi",
    "deepseek-v3.1": "deepseek_v31",
    "mistral-small-3.2": "mistral",
    "mistral": "mistral_list",
    "granite": "granite",
}


@pytest.mark.parametrize("member", MEMBERS_THAT_CALL)
def test_no_special_token_of_a_call_is_masked(tmp_path: Path, member: str) -> None:
    form = MEMBERS_THAT_CALL[member]
    folder = MEMBERS[member].build(tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = WRITERS[form]([ROME_CALL, TRAVEL_CALL]) + MEMBERS[member].eos
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    grammars = [
        CALL_FORMATS[form].form.grammar(SCHEMAS, forced=forced, several=True)
        for forced in (True, False)
    ]
    tags = [structural_tag(Sampling(1, calls=grammar)) for grammar in grammars]
    assert masked(folder, [(tag, ids) for tag in tags]) == [[], []]


@pytest.mark.parametrize("forced", [True, False])
def test_no_token_of_a_call_that_the_demo_model_writes_is_masked(forced: bool) -> None:
    """Some of them go across the end of a string or number, the brackets and the line."""
    tokenizer = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    pairs = []
    for line in (DEMO_MODEL / "questions.jsonl").read_text("utf-8").splitlines():
        question = json.loads(line)
        if question["kind"] == "tool" and question["answer"].startswith("<tool_call>"):
            functions = [tool["function"] for tool in question["tools"]]
            schemas = {function["name"]: function["parameters"] for function in functions}
            grammar = HERMES.grammar(schemas, forced=forced, several=True)
            assert grammar is not None
            ids = tokenizer.encode(question["answer"] + "<|im_end|>", add_special_tokens=False).ids
            pairs.append((structural_tag(Sampling(1, calls=grammar)), ids))
    assert masked(DEMO_MODEL, pairs) == [[]] * len(pairs)
    assert len(pairs) > 20


ROMES = {"type": "object", "properties": {"city": {"const": "Rome"}}, "required": ["city"]}
ROME_JSON = '{"city": "Rome"}'
FORMS: list[tuple[dict[str, Any], str, str]] = [
    ({"json_schema": ROMES}, ROME_JSON, '{"city": "Oslo"}'),
    ({"regex": "[0-9]{2}"}, "12", "123"),
    ({"grammar": 'root ::= "yes" | "no"'}, "yes", "maybe"),
    ({"calls": HERMES.grammar(SCHEMAS, forced=True, several=True)}, ROME, OSLO),
    ({"calls": HERMES.grammar(SCHEMAS, forced=False, several=True)}, f"So: {ROME}", OSLO),
]
THOUGHTS = {
    "think": ("<think>\nIn Rome <I> see {it}.\n</think>\n\n", ""),
    "mistral": ("[THINK]It is.[/THINK]", ""),
    "harmony": ("<|channel|>analysis<|message|>It is.<|end|><|start|>assistant<|channel|>final"
                "<|message|>", ""),
    "hunyuan": ("<think>\nIt is.\n</think>\n<answer>\n", "\n</answer>"),
    "granite_phrases": ("Here is my thought process: It is.\n\nHere is my response: ", ""),
}  # fmt: skip
BARE = {"harmony": "<|channel|>final<|message|>", "hunyuan": "<answer>"}


@pytest.mark.parametrize("name", THOUGHTS)
def test_a_form_holds_behind_the_reasoning_and_without_it(name: str) -> None:
    """But where the prompt has begun the reasoning: then the answer has to end it."""
    begin, end = THOUGHTS[name]
    start = FORMATS[name].marks.starts[0]
    bare = BARE.get(name, "")
    pairs, expected = [], []
    for fields, right, wrong in FORMS:
        for prompt in ("Hello", f"Hello{start}"):
            thinking = Reasoning(name).expected(prompt)
            assert thinking is not None
            sampling = Sampling(1, **fields, reasoning=thinking.before_form())
            thought = begin if prompt == "Hello" else begin.removeprefix(start)
            texts = [thought + right + end, thought + wrong + end, bare + right + end]
            pairs.append((structural_tag(sampling), texts))
            expected.append([True, False, prompt == "Hello"])
    assert accepted(pairs) == expected


def test_a_call_stands_behind_the_reasoning_of_gpt_oss_and_without_it() -> None:
    thought = "<|channel|>analysis<|message|>It is.<|end|><|start|>assistant"
    right, wrong = HARMONY([ROME_CALL]), HARMONY([OSLO_CALL])
    for forced in (True, False):
        thinking = Reasoning("harmony").expected("Hello")
        assert thinking is not None
        before = replace(thinking, calls=True).before_form()
        calls = CALL_FORMATS["harmony"].form.grammar(SCHEMAS, forced=forced, several=True)
        tag = structural_tag(Sampling(1, calls=calls, reasoning=before))
        texts = [thought + right, right, thought + wrong, wrong]
        assert accepted([(tag, texts)]) == [[True, True, False, False]]


@pytest.mark.parametrize(
    ("member", "name"), [("qwen-3", "think"), ("magistral", "mistral"), ("gpt-oss", "harmony")]
)
def test_no_special_token_that_marks_reasoning_is_masked(
    tmp_path: Path, member: str, name: str
) -> None:
    folder = MEMBERS[member].build(tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    thinking = Reasoning(name).expected("Hello")
    assert thinking is not None
    before = thinking.before_form()
    tag = structural_tag(Sampling(1, json_schema=ROMES, reasoning=before))
    texts = [THOUGHTS[name][0] + ROME_JSON, BARE.get(name, "") + ROME_JSON]
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    assert any(tokenizer.get_added_tokens_decoder()[i].special for i in ids[0] if i in
               tokenizer.get_added_tokens_decoder())  # fmt: skip
    assert masked(folder, [(tag, each) for each in ids]) == [[], []]
