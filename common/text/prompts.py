"""From what a client sends to prompt token ids, once, for every engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import UnsupportedParameter
from common.text.chat_template import ChatTemplate, Message
from common.text.tokenizer import Tokenizer

NO_TEMPLATE = (
    "the model has no chat template; use /v1/completions, or start the service with chat_template"
)


class Prompts:
    """Renders with the chat template and tokenizes; the BOS comes from one of them, never both."""

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate | None, system_prompt: str | None
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self._system_prompt = system_prompt

    async def from_messages(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Raises UnsupportedParameter without a template, InvalidValue when it refuses."""
        if self.template is None:
            raise UnsupportedParameter(NO_TEMPLATE, param="messages")
        text = self.template.render(messages, tools=tools, arguments=arguments)
        return await self.tokenizer.encode(text, add_special_tokens=False)

    async def from_text(self, text: str) -> list[int]:
        """A raw prompt, with the special tokens that the tokenizer adds by itself."""
        return await self.tokenizer.encode(text, add_special_tokens=True)

    async def from_prompt(self, prompt: str, system_prompt: str | None) -> list[int]:
        """/generate: one user turn. None takes the service's system prompt, "" none at all.

        A model without a chat template gets the text as it is.
        """
        system = self._system_prompt if system_prompt is None else system_prompt
        if self.template is None:
            return await self.from_text(f"{system}\n\n{prompt}" if system else prompt)
        messages = [{"role": "system", "content": system}] if system else []
        return await self.from_messages([*messages, {"role": "user", "content": prompt}])
