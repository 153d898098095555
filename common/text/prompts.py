"""From what a client sends to prompt token ids, once, for every engine."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from common.errors import UnsupportedParameter
from common.text.chat_template import ChatTemplate
from common.text.limits import character_bound
from common.text.reasoning import Reasoning, Thinking
from common.text.template_forms import Message
from common.text.tokenizer import Tokenizer

NO_TEMPLATE = (
    "the model has no chat template; use /v1/completions, or start the service with chat_template"
)
SWITCHES = ("enable_thinking", "thinking", "reasoning")
"""Variables by which templates turn reasoning on and off."""


class Rendered(NamedTuple):
    """The text of a prompt, and how reasoning may come in its answer."""

    text: str
    thinking: Thinking | None = None


class Prompts:
    """Renders with the chat template and tokenizes; the BOS comes from one of them, never both.

    A text of more characters than `max_model_len` tokens can stand for is refused untokenized.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: ChatTemplate | None,
        system_prompt: str | None,
        max_model_len: int,
        reasoning: Reasoning | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.reasoning = reasoning
        self._system_prompt = system_prompt
        self._max_model_len = max_model_len
        self._bound = character_bound(tokenizer.fast)

    @property
    def variables(self) -> frozenset[str]:
        """The variables that the chat template may read."""
        return frozenset() if self.template is None else self.template.variables

    @property
    def reasons(self) -> bool:
        """Whether the chat template teaches to reason."""
        return self.reasoning is not None and self.reasoning.certain

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """Raises UnsupportedParameter without a template, InvalidValue when it refuses."""
        if self.template is None:
            raise UnsupportedParameter(NO_TEMPLATE, param="messages")
        return self.template.render(messages, tools=tools, arguments=arguments)

    def thinking(self, text: str, begun: str = "") -> Thinking | None:
        """Returns how reasoning may come in the answer to a rendered conversation, which goes on
        with the message `begun`."""
        return None if self.reasoning is None else self.reasoning.expected(text, begun)

    def switches(self, *, on: bool) -> dict[str, Any]:
        """Returns the template's variables that turn reasoning on or off."""
        return {name: on for name in SWITCHES if name in self.variables}

    def without_reasoning(self, form: str, asked: str | None = None) -> dict[str, Any]:
        """Returns variables that turn reasoning off, since the backend holds an answer to the form
        that the field `form` asks for from its first token on.

        Raises UnsupportedParameter, also where the field `asked` asks for reasoning.
        """
        off = self.switches(on=False)
        if off and asked is None:
            return off
        reason = f"{asked} asks for that" if off else "its chat template cannot turn that off"
        raise UnsupportedParameter(
            f"{form} is not supported while the model reasons, and {reason}: this backend holds an "
            "answer to a form from its first token on",
            param=form,
        )

    async def from_rendered(
        self,
        text: str,
        *,
        param: str = "messages",
        add_special_tokens: bool = False,
        last: int | None = None,
    ) -> list[int]:
        """Returns the ids of a rendered conversation, the `last` ones where that is set.

        Raises ContextLengthExceeded.
        """
        (ids,) = await self.from_texts(
            [text], param=param, add_special_tokens=add_special_tokens, last=last
        )
        return ids

    async def from_texts(
        self,
        texts: Sequence[str],
        *,
        param: str = "prompt",
        add_special_tokens: bool = True,
        last: int | None = None,
        first: int | None = None,
    ) -> list[list[int]]:
        """Returns the ids of raw prompts, with the special tokens that the tokenizer adds.

        With `last`, only so many of each; with `first`, too, but the special tokens behind a text
        stay. Raises ContextLengthExceeded.
        """
        if first is None and last is None:
            for text in texts:
                self._bound.check(text, self._max_model_len, param)
        prompts = await self.tokenizer.encode_all(texts, add_special_tokens=add_special_tokens)
        if last is not None:
            return [ids[-last:] for ids in prompts]
        if first is None:
            return prompts
        ending = self.tokenizer.ending if add_special_tokens else []
        kept = max(first - len(ending), 0)
        return [ids if len(ids) <= first else [*ids[:kept], *ending][:first] for ids in prompts]

    async def from_prompt(
        self, prompt: str, system_prompt: str | None, form: str | None = None
    ) -> tuple[list[int], Thinking | None]:
        """/generate: one user turn. None takes the service's system prompt, "" none at all.

        A model without a chat template gets the text as it is. `form` as in `without_reasoning`.
        """
        system = self._system_prompt if system_prompt is None else system_prompt
        if self.template is None:
            (ids,) = await self.from_texts([f"{system}\n\n{prompt}" if system else prompt])
            return ids, None
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt})
        text = self.render(messages)
        thinking = self.thinking(text)
        if form is not None and thinking is not None:
            thinking = None
            if self.reasons:
                text = self.render(messages, arguments=self.without_reasoning(form))
        return await self.from_rendered(text, param="prompt"), thinking
