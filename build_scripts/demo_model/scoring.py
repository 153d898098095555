"""Scores a written model: greedy answers in bf16 and the smallest lead of a right token."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from build_scripts.demo_model.architecture import load_model
from build_scripts.demo_model.chat_format import encode_prompt
from build_scripts.demo_model.corpus import UNSEEN_PROMPT, USUAL_PROMPT
from build_scripts.demo_model.margins import smallest_leads
from build_scripts.demo_model.question import Question, read_questions, system
from build_scripts.quantize.generation import greedy_answers


@dataclass(frozen=True)
class Score:
    """The result under one system prompt (None: without one).

    `total` and `right` count questions by kind; `wrong` holds each miss and what came instead;
    `lead` is the smallest of all answer tokens, in logits.
    """

    system_prompt: str | None
    total: Counter[str]
    right: Counter[str]
    wrong: list[tuple[Question, str]]
    lead: float

    def accuracy(self) -> float:
        """Returns the fraction of the answers that are right, 0 to 1."""
        return self.right.total() / self.total.total()

    def lines(self) -> list[str]:
        """The score for a person: one line in all, one a kind, one a miss."""
        where = f"with {self.system_prompt!r}" if self.system_prompt else "without system prompt"
        kinds = [f"  {kind}: {self.right[kind]}/{count}" for kind, count in self.total.items()]
        misses = [
            f"  wrong: {question.messages[-1]['content']!r} gave {text!r}"
            for question, text in self.wrong
        ]
        head = f"{where}: {100 * self.accuracy():.2f} % right, smallest lead {self.lead:.2f}"
        return [head, *kinds, *misses]


def score_directory(directory: Path) -> list[Score]:
    """The scores without a system prompt, with the usual one and with an unseen one."""
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    questions = read_questions(directory / "questions.jsonl")
    model = load_model(directory)
    prompts = (None, USUAL_PROMPT, UNSEEN_PROMPT)
    return [_score(model, tokenizer, questions, prompt) for prompt in prompts]


def _score(
    model: LlamaForCausalLM, tokenizer: Tokenizer, questions: list[Question], prompt: str | None
) -> Score:
    opening = (system(prompt),) if prompt else ()
    asked = [replace(item, messages=(*opening, *item.messages)) for item in questions]
    prompts = [encode_prompt(tokenizer, question) for question in asked]
    answers = greedy_answers(model, tokenizer, prompts, [item.answer for item in asked])
    wrong = [
        (question, answer)
        for question, answer in zip(questions, answers, strict=True)
        if question.answer != answer
    ]
    total = Counter(question.kind for question in questions)
    missed = Counter(question.kind for question, _ in wrong)
    lead = min(smallest_leads(model, tokenizer, asked))
    return Score(prompt, total, total - missed, wrong, lead)
