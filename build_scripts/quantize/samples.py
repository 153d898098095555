"""Texts for calibrating and measuring: a JSON Lines file, or plain text in paragraphs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from build_scripts.builder import BuildError
from common.errors import InvalidValue, StartError
from common.files import read_text
from common.models.model import DEMO_MODEL
from common.text.chat_template import ChatTemplate, load_chat_template
from common.text.tokenizer import Tokenizer

OWN_QUESTIONS = "questions.jsonl"
"""A file in a model's directory: questions that it has to answer, as in the demo model's."""
GENERAL_TEXT = DEMO_MODEL / OWN_QUESTIONS
"""Short questions and answers of many kinds, in the model's own chat template: enough for scales,
and no match for text like that which the model will meet."""
JSON_LINES = (".jsonl", ".ndjson", ".json")
FIELDS = "text, prompt or messages"
ANSWER_STARTS: Mapping[str, Any] = {"add_generation_prompt": True}
CONVERSATION_ENDS: Mapping[str, Any] = {"add_generation_prompt": False}


class Sample(NamedTuple):
    """One sample: `text` as it is, or a conversation. `where` is its place, for errors."""

    where: str
    text: str | None
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    answer: str | None


def read_samples(file: Path) -> list[Sample]:
    """Raises BuildError for a file that is missing, empty or malformed, with the line."""
    try:
        content = read_text(file)
    except StartError as error:
        raise BuildError(str(error)) from None
    if file.suffix in JSON_LINES:
        lines = [(n, line) for n, line in enumerate(content.splitlines(), 1) if line.strip()]
        samples = [_sample(f"{file}, line {number}", line) for number, line in lines]
    else:
        paragraphs = [part.strip() for part in content.split("\n\n")]
        samples = [Sample(str(file), part, [], [], None) for part in paragraphs if part]
    if not samples:
        raise BuildError(
            f"{file} is empty; needed is text, or a line of JSON with {FIELDS} for each sample"
        )
    return samples


def _sample(where: str, line: str) -> Sample:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BuildError(f"{where} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise BuildError(f"{where} is not a JSON object with {FIELDS}")
    text, prompt, messages = (record.get(name) for name in ("text", "prompt", "messages"))
    answer, tools = record.get("answer"), record.get("tools") or []
    if isinstance(text, str):
        return Sample(where, text, [], [], None)
    if isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}]
    conversation = isinstance(messages, list) and all(
        isinstance(m, dict) and "role" in m for m in messages
    )
    if not conversation or not messages or not isinstance(tools, list):
        raise BuildError(f"{where} has none of {FIELDS} in the form of the chat API")
    if not isinstance(answer, str):
        messages, answer = _without_answer(messages)
    return Sample(where, None, messages, tools, answer)


def _without_answer(
    messages: list[dict[str, Any]],
) -> tuple[list[dict[str, Any]], str | None]:
    """A conversation that ends with the assistant's words has its answer in itself."""
    *before, last = messages
    content = last.get("content")
    plain = last.keys() == {"role", "content"} and isinstance(content, str)
    if before and plain and last["role"] == "assistant":
        return before, content
    return messages, None


class Texts:
    """Turns samples to token ids as the services do, by the model's chat template and tokenizer."""

    def __init__(self, model: Path) -> None:
        try:
            self._tokenizer = Tokenizer(model)
            self._template: ChatTemplate | None = load_chat_template(model, self._tokenizer, None)
        except StartError as error:
            raise BuildError(str(error)) from None

    def samples(self, file: Path) -> list[Sample]:
        """Returns those of a file; of GENERAL_TEXT, which nobody has written for this model, those
        that its chat template takes: some want turns that alternate, or know no tools.

        Raises BuildError for a file that is missing, empty or malformed, with the line.
        """
        samples = read_samples(file)
        return samples if file != GENERAL_TEXT else list(filter(self._accepts, samples))

    def _accepts(self, sample: Sample) -> bool:
        try:
            self._whole(sample)
        except BuildError:
            return False
        return True

    def ids(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Returns the ids of whole texts and of whole conversations, answers included."""
        return self._encode([self._whole(sample) for sample in samples], samples)

    def answers_start(self, samples: Sequence[Sample], ids: Sequence[Sequence[int]]) -> list[int]:
        """Returns where in its ids each sample's answer starts, 0 where all of it is one text."""
        asked = [sample for sample in samples if sample.answer is not None]
        prompts = iter(self.prompts(asked))
        starts = []
        for sample, whole in zip(samples, ids, strict=True):
            prompt = next(prompts) if sample.answer is not None else []
            # Some templates write an earlier turn otherwise than the last one.
            starts.append(len(prompt) if list(whole[: len(prompt)]) == prompt else 0)
        return starts

    def texts(self, samples: Sequence[Sample]) -> list[str]:
        """Returns whole ones, without the special tokens that the tokenizer would add."""
        return [self._whole(sample) for sample in samples]

    def prompts(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Returns the ids up to where the answer starts."""
        texts = [self._render(sample, sample.messages, ANSWER_STARTS) for sample in samples]
        return self._encode(texts, samples)

    def _whole(self, sample: Sample) -> str:
        if sample.text is not None:
            return sample.text
        messages = sample.messages
        if sample.answer is not None:
            messages = [*messages, {"role": "assistant", "content": sample.answer}]
        return self._render(sample, messages, CONVERSATION_ENDS)

    def _render(
        self, sample: Sample, messages: list[dict[str, Any]], arguments: Mapping[str, Any]
    ) -> str:
        if self._template is None:
            contents = (str(message.get("content") or "") for message in messages)
            return "\n\n".join(contents)
        try:
            return self._template.render(messages, tools=sample.tools, arguments=arguments)
        except InvalidValue as error:
            raise BuildError(f"{sample.where}: {error}") from None

    def _encode(self, texts: Sequence[str], samples: Sequence[Sample]) -> list[list[int]]:
        """A template writes the special tokens itself; with plain text the tokenizer adds them."""
        encode, plain = self._tokenizer.fast.encode, self._template is None
        return [
            encode(text, add_special_tokens=plain or sample.text is not None).ids
            for text, sample in zip(texts, samples, strict=True)
        ]
