"""Reasoning and answer are told apart however the text is cut, and no text is lost."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.text.reasoning import Reasoning, Thinking, detect_reasoning
from common.text.reasoning.formats import FORMATS

OPENED, PLAIN = "user: Hi\nassistant: {start}\n", "user: Hi\nassistant: "
HARMONY = (
    "<|channel|>analysis<|message|>Two and two.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>It is 4."
)
SPLIT = ("Two and two.", "It is 4.")
CASES: list[tuple[str, bool, str, tuple[str, str]]] = [
    ("think", False, "<think>\nTwo and two.\n</think>\n\nIt is 4.", SPLIT),
    ("think", False, "\n <think>Two and two.</think>It is 4.", SPLIT),
    ("think", False, "It is <think>4</think>.", ("", "It is <think>4</think>.")),
    ("think", False, "\n\nIt is 4.\n", ("", "\n\nIt is 4.\n")),
    ("think", False, "<think>\n\n</think>\n\nIt is 4.", ("", "It is 4.")),
    ("think", False, "<think>Two and", ("Two and", "")),
    ("think", False, "<thi", ("", "<thi")),
    ("think", False, "<thin air", ("", "<thin air")),
    ("think", False, "", ("", "")),
    ("think", False, "<think>a</think>b</think>c", ("a", "b</think>c")),
    ("think", True, "Two and two.\n</think>\n\nIt is 4.", SPLIT),
    ("think", True, "<think>\nTwo and two.</think>It is 4.", SPLIT),
    ("think", True, "Two and two. \n", ("Two and two.", "")),
    ("think", True, "Two </thin", ("Two </thin", "")),
    ("think", True, "<thi", ("<thi", "")),
    ("think", True, "</think>It is 4.", ("", "It is 4.")),
    ("think", True, "a < b\n\n c</think> d\n\n", ("a < b\n\n c", "d\n\n")),
    ("mistral", False, "[THINK]Two and two.[/THINK]It is 4.", SPLIT),
    ("mistral", False, "[THIS] is text", ("", "[THIS] is text")),
    ("seed", True, "Two and two.</seed:think>It is 4.", SPLIT),
    ("hunyuan", False, "<think>\nTwo and two.\n</think>\n<answer>\nIt is 4.\n</answer>", SPLIT),
    ("hunyuan", False, "<think>Two and two.</think>It is 4.", SPLIT),
    ("hunyuan", False, "<answer>It is 4.</answer>", ("", "It is 4.")),
    ("hunyuan", False, "<answer>It is 4.", ("", "It is 4.")),
    ("hunyuan", False, "<think>Two</think><ans", ("Two", "<ans")),
    ("hunyuan", False, "<answer>a</answer> b", ("", "a b")),
    ("granite", False, "<think>Two and two.</think>\n<response>It is 4.</response>", SPLIT),
    ("granite_phrases", False,
     "Here is my thought process: Two and two.\n\nHere is my response: It is 4.", SPLIT),
    ("granite_phrases", False, "Here's my thought process:\nTwo and two. Here's my response:\n"
     "It is 4.", SPLIT),
    ("granite_phrases", False, "Here is my dog.", ("", "Here is my dog.")),
    ("cohere", False, "<|START_THINKING|>Two and two.<|END_THINKING|><|START_RESPONSE|>It is 4."
     "<|END_RESPONSE|>", SPLIT),
    ("harmony", False, HARMONY, SPLIT),
    ("harmony", False, HARMONY + "<|return|>", SPLIT),
    ("harmony", False, "<|channel|>final<|message|>It is 4.", ("", "It is 4.")),
    ("harmony", False, "It is 4.", ("", "It is 4.")),
    ("harmony", False, "<|channel|>analysis<|message|>Two", ("Two", "")),
    ("harmony", False, "<|channel|>analysis<|message|>Two<|end|><|start|>assist", ("Two", "")),
    ("harmony", False, "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant" + HARMONY,
     ("Two and two.", "I look.\nIt is 4.")),
    ("harmony", False, "<|channel|>analysis<|message|>One.<|end|><|start|>assistant" + HARMONY,
     ("One.\nTwo and two.", "It is 4.")),
    ("harmony", False, "<|channel|>analysis<|message|>Two.<|start|>assistant<|channel|>final"
     "<|message|>4", ("Two.", "4")),
    ("harmony", True, "Two and two.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.",
     SPLIT),
]  # fmt: skip


def thinking(name: str, *, begun: bool) -> Thinking:
    start = FORMATS[name].marks.starts[0]
    expected = Reasoning(name).expected((OPENED if begun else PLAIN).format(start=start))
    assert expected is not None
    return expected


def split(name: str, pieces: list[str], *, begun: bool) -> tuple[str, str]:
    parser = thinking(name, begun=begun).parser()
    parts = [*(parser.feed(piece) for piece in pieces), parser.finish()]
    return "".join(part.reasoning for part in parts), "".join(part.text for part in parts)


@pytest.mark.parametrize(("name", "begun", "text", "expected"), CASES)
def test_the_reasoning_is_told_from_the_answer_wherever_the_text_is_cut(
    name: str, begun: bool, text: str, expected: tuple[str, str]
) -> None:
    assert split(name, [text], begun=begun) == expected
    assert split(name, list(text), begun=begun) == expected
    for place in range(len(text) + 1):
        assert split(name, [text[:place], text[place:]], begun=begun) == expected, place


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, bool, list[str]]:
    """Returns a format, whether the prompt has begun its reasoning, and pieces of a text that holds
    its marks, whole and in part, in any order."""
    name = draw(st.sampled_from(sorted(FORMATS)))
    marks = FORMATS[name].marks.texts
    parts = st.one_of(
        st.sampled_from(marks),
        st.sampled_from(marks).map(lambda mark: mark[: len(mark) // 2]),
        st.sampled_from(["\n", " ", "a", "<", "It is 4.", "[", "|>", "Here is my "]),
        st.text(max_size=3),
    )
    text = "".join(draw(st.lists(parts, max_size=8)))
    places = draw(st.lists(st.integers(0, len(text)), max_size=6))
    places = [0, *sorted(places), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    return name, draw(st.booleans()), pieces


@given(cut_texts())
@settings(derandomize=True, deadline=None, max_examples=1500)
def test_any_cut_of_any_text_gives_what_the_whole_gives(
    cut: tuple[str, bool, list[str]],
) -> None:
    name, begun, pieces = cut
    assert split(name, pieces, begun=begun) == split(name, ["".join(pieces)], begun=begun)


@given(st.text("a \n<>/think", max_size=30), st.text("a\n<t", max_size=12), st.booleans())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_text_between_marks_is_whole_but_for_its_blank_ends(
    thought: str, said: str, begun: bool
) -> None:
    text = f"{'' if begun else '<think>'}{thought.replace('</think>', '')}</think>{said}"
    reasoning, answer = split("think", list(text), begun=begun)
    if not begun or not thought.lstrip().startswith("<think>"):
        assert reasoning == thought.replace("</think>", "").strip()
    assert answer == said.lstrip()


@pytest.mark.parametrize(
    ("name", "begun", "tokens", "expected"),
    [
        ("think", False, ["<think>", "\n", "Two", "</think>", "\n\n", "4"], 4),
        ("think", False, ["4", "<think>"], 0),
        ("think", False, ["<th", "ick"], 0),
        ("think", False, ["<th", "ink>", "a"], 3),
        ("think", True, ["Two", "", "\n</think>\n", "4"], 3),
        ("think", True, ["Two"], 1),
        ("hunyuan", False, ["<think>", "Two", "</think>", "<answer>", "4", "</answer>"], 3),
        ("harmony", False, ["<|channel|>", "analysis", "<|message|>", "Two", "<|end|>", "<|start|>",
                            "assistant", "<|channel|>", "final", "<|message|>", "4"], 5),
        ("harmony", False, ["<|channel|>", "final", "<|message|>", "4"], 0),
    ],
)  # fmt: skip
def test_tokens_are_counted_up_to_the_end_of_the_reasoning(
    name: str, begun: bool, tokens: list[str], expected: int
) -> None:
    parser = thinking(name, begun=begun).parser()
    for token in tokens:
        parser.feed(token)
    assert parser.tokens == expected


def test_a_parser_says_when_there_is_only_answer_left() -> None:
    parser = thinking("think", begun=True).parser()
    for piece, ended in (("a", False), ("</think>", False), ("\n", False), ("4", True)):
        parser.feed(piece)
        assert parser.ended is ended


@pytest.mark.parametrize(
    ("prompt", "begun", "expected"),
    [
        ("Hi<think>\n", "", True),
        ("Hi", "", None),
        ("Hi<think>\n\n</think>\n\n", "", "none"),
        ("Hi</think>", "", "none"),
        ("<think>a</think>Hi", "", None),
        ("Hi Well, I say", "Well, I say", "none"),
        ("Hi<think>so", "<think>so", True),
        ("Hi<think>so</think>and", "<think>so</think>and", "none"),
        ("Hi ", "", None),
    ],
)
def test_the_prompt_says_how_the_answer_begins(prompt: str, begun: str, expected: object) -> None:
    thinking = Reasoning("think").expected(prompt, begun)
    assert (thinking.begun if thinking else "none") == expected


@pytest.mark.parametrize(
    ("template", "tokens", "expected"),
    [
        ("{{ '<think>' }}", (), Reasoning("think")),
        ("{{ content.split('</think>')[-1] }}", (), Reasoning("think")),
        ("<|channel|>final<|message|>", (), Reasoning("harmony")),
        ("<think><answer>", (), Reasoning("hunyuan")),
        ("<think></think><response></response>", (), Reasoning("granite")),
        ("Here is my thought process:", (), Reasoning("granite_phrases")),
        ("[INST]", ("[THINK]", "[/THINK]"), Reasoning("mistral", certain=False)),
        ("[INST]", ("[THINK]",), None),
        ("[INST]", (), None),
    ],
)
def test_the_format_is_known_by_the_template_else_by_the_tokens(
    template: str, tokens: tuple[str, ...], expected: Reasoning | None
) -> None:
    assert detect_reasoning([template], tokens) == expected
