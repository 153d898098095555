"""From what a client sends to prompt token ids, once, for every engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import UnsupportedParameter
from common.text.chat_template import ChatTemplate, Message
from common.text.limits import character_bound
from common.text.tokenizer import Tokenizer

NO_TEMPLATE = (
    "the model has no chat template; use /v1/completions, or start the service with chat_template"
)


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
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self._system_prompt = system_prompt
        self._max_model_len = max_model_len
        self._bound = character_bound(tokenizer.fast)

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

    async def from_rendered(self, text: str, *, param: str = "messages") -> list[int]:
        """Returns the ids of a rendered conversation. Raises ContextLengthExceeded."""
        self._bound.check(text, self._max_model_len, param)
        return await self.tokenizer.encode(text, add_special_tokens=False)

    async def from_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of raw prompts, with the special tokens that the tokenizer adds.

        Raises ContextLengthExceeded.
        """
        for text in texts:
            self._bound.check(text, self._max_model_len, "prompt")
        return await self.tokenizer.encode_all(texts, add_special_tokens=True)

    async def from_prompt(self, prompt: str, system_prompt: str | None) -> list[int]:
        """/generate: one user turn. None takes the service's system prompt, "" none at all.

        A model without a chat template gets the text as it is.
        """
        system = self._system_prompt if system_prompt is None else system_prompt
        if self.template is None:
            (ids,) = await self.from_texts([f"{system}\n\n{prompt}" if system else prompt])
            return ids
        messages = [{"role": "system", "content": system}] if system else []
        text = self.render([*messages, {"role": "user", "content": prompt}])
        return await self.from_rendered(text, param="prompt")
