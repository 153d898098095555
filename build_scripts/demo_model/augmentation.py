"""Varies a question for training: system prompts, earlier turns, offered tools, spelling."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from build_scripts.demo_model.corpus import all_tools, system_prompts
from build_scripts.demo_model.question import Question, assistant, system, user

_SYSTEM_SHARE = 0.6
_MIXED_PROMPT_SHARE = 0.3
_EARLIER_SHARE = 0.15
_SPELLING_SHARE = 0.12
_TOOLS_SHARE = 0.06
_SPELLING_KINDS = ("chat", "fact", "arithmetic")
_SHORT_ANSWER = 100


@dataclass(frozen=True)
class Augmenter:
    """Draws variants of questions from `rng`; the answer always stays the same."""

    rng: random.Random
    earlier: Sequence[Question]

    @classmethod
    def of(cls, questions: Sequence[Question], rng: random.Random) -> "Augmenter":
        """An augmenter whose earlier turns are the short single-turn ones of `questions`."""
        earlier = [
            question
            for question in questions
            if len(question.messages) == 1
            and not question.tools
            and len(question.answer) <= _SHORT_ANSWER
        ]
        return cls(rng, earlier)

    def vary(self, question: Question) -> Question:
        """One random variant of `question`."""
        if question.kind in _SPELLING_KINDS and self.rng.random() < _SPELLING_SHARE:
            question = self._respelled(question)
        if self.rng.random() < _TOOLS_SHARE and question.kind != "dialogue":
            question = self._with_tools(question)
        while self.rng.random() < _EARLIER_SHARE:
            before = self.rng.choice(self.earlier)
            turns = (*before.messages, assistant(before.answer), *question.messages)
            question = replace(question, messages=turns)
        if self.rng.random() < _SYSTEM_SHARE:
            prompt = system(self.system_prompt())
            question = replace(question, messages=(prompt, *question.messages))
        return question

    def system_prompt(self) -> str:
        """A prompt of the pool, or two or three sentences or halves of several."""
        if self.rng.random() >= _MIXED_PROMPT_SHARE:
            return self.rng.choice(system_prompts())
        parts = []
        for prompt in self.rng.sample(system_prompts(), self.rng.randint(1, 3)):
            words = prompt.split()[:24]
            start = self.rng.randrange(len(words))
            parts.append(" ".join(words[start:] if self.rng.random() < 0.5 else words))
        return " ".join(parts)

    def _respelled(self, question: Question) -> Question:
        text = question.messages[-1]["content"]
        bare = text.rstrip("?.!")
        spellings = (
            text.lower(),
            bare,
            bare.lower(),
            f"{text} ",
            f"Please tell me: {text}",
            text.replace("What is", "What's"),
            text.replace(" plus ", " + ").replace(" minus ", " - ").replace(" times ", " * "),
        )
        return replace(question, messages=(user(self.rng.choice(spellings)),))

    def _with_tools(self, question: Question) -> Question:
        others = [tool for tool in all_tools() if tool not in question.tools]
        added = self.rng.sample(others, self.rng.randint(1, len(others)))
        tools = [*question.tools, *added]
        self.rng.shuffle(tools)
        return replace(question, tools=tuple(tools))
