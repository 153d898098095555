"""The formats of reasoning: which one a template teaches, and how the answer to a prompt begins."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from common.reasoning_text import ReasoningText
from common.text.reasoning.harmony import (
    ANALYSIS,
    CHANNEL,
    END,
    FINAL,
    MESSAGE,
    START,
    HarmonyParser,
)
from common.text.reasoning.marked import MarkedReasoningParser, Marks
from common.text.reasoning.parser import ReasoningParser


@dataclass(frozen=True, slots=True)
class ReasoningFormat:
    """A chat template that teaches the format has all texts of one of `taught`.

    `calls` is what stands between reasoning and calls, where that is not what stands before other
    answers.
    """

    taught: tuple[tuple[str, ...], ...]
    marks: Marks
    parser: type[MarkedReasoningParser] | type[HarmonyParser] = MarkedReasoningParser
    calls: str | None = None


THINK = Marks(("<think>",), ("</think>",))
FORMATS: Mapping[str, ReasoningFormat] = {
    "harmony": ReasoningFormat(
        ((CHANNEL, MESSAGE),),
        Marks((ANALYSIS,), (END,), (f"{START}assistant{FINAL}", ""), FINAL),
        HarmonyParser,
        f"{START}assistant",
    ),
    "mistral": ReasoningFormat((("[THINK]",),), Marks(("[THINK]",), ("[/THINK]",))),
    "cohere": ReasoningFormat(
        (("<|START_THINKING|>",),),
        Marks(
            ("<|START_THINKING|>",),
            ("<|END_THINKING|>",),
            ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        ),
    ),
    "seed": ReasoningFormat((("<seed:think>",),), Marks(("<seed:think>",), ("</seed:think>",))),
    "hunyuan": ReasoningFormat(
        (("<think>", "<answer>"),), replace(THINK, answer=("<answer>", "</answer>"))
    ),
    "granite": ReasoningFormat(
        (("<think>", "<response></response>"),),
        replace(THINK, answer=("<response>", "</response>")),
    ),
    "granite_phrases": ReasoningFormat(
        (("Here is my thought process:",),),
        Marks(
            ("Here is my thought process:", "Here's my thought process:"),
            ("Here is my response:", "Here's my response:"),
        ),
    ),
    "think": ReasoningFormat((("<think>",), ("</think>",)), THINK),
}
"""The first one that a template teaches is its format."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """What is known of an answer before it comes; see MarkedReasoningParser of `begun`.

    It may have `calls` of tools.
    """

    form: ReasoningFormat
    begun: bool | None
    calls: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """The texts that the parser has to see, also where they are special tokens."""
        return self.form.marks.texts

    def parser(self) -> ReasoningParser:
        """Returns a parser for one answer."""
        parser = self.form.parser(self.form.marks, begun=self.begun)
        parser.passes_calls = self.calls
        return parser

    def before_form(self) -> ReasoningText | None:
        """Returns what may stand before an answer of a fixed form, None for nothing."""
        marks = self.form.marks
        if self.begun is False:
            return None
        bare, answer = marks.bare or marks.answer[0], marks.answer
        if self.calls and self.form.calls is not None:
            bare, answer = "", (self.form.calls, "")
        begin = "" if self.begun else marks.starts[0]
        return ReasoningText(begin, marks.ends[0], answer, None if self.begun else bare)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A model's format. One that is not `certain` is known by its tokens only."""

    name: str
    certain: bool = True

    def expected(self, prompt: str, begun: str = "") -> Thinking | None:
        """Returns what to expect of the answer to a prompt, None for an answer and nothing else.

        `begun` is the message that the answer continues.
        """
        form = FORMATS[self.name]
        marks = form.marks
        thinks: bool | None = None
        if prompt.rstrip().endswith(marks.starts):
            thinks = True
        elif prompt.rstrip().endswith(marks.bare or marks.ends):
            thinks = False
        elif begun.strip():
            behind = max(begun.rfind(start) for start in marks.starts)
            thinks = behind >= 0 and not any(end in begun[behind:] for end in marks.ends)
        if thinks is False and marks.answer == ("", ""):
            return None
        return Thinking(form, thinks)


def detect_reasoning(templates: Collection[str], tokens: Collection[str]) -> Reasoning | None:
    """Returns the format that chat templates teach, or that a tokenizer has tokens for."""
    for name, form in FORMATS.items():
        for template in templates:
            if any(all(text in template for text in texts) for texts in form.taught):
                return Reasoning(name)
    for name, form in FORMATS.items():
        marks = form.marks
        if {*marks.starts, *marks.ends}.issubset(tokens):
            return Reasoning(name, certain=False)
    return None
