"""A conversation to one prompt text by the model's own Jinja templates."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from common.errors import InvalidValue, StartError
from common.text.jinja_environment import compile_template, read_variables
from common.text.template_files import DEFAULT, read_override, read_templates
from common.text.template_forms import Message, find_form
from common.text.template_traces import message_without_trace
from common.text.tokenizer import Tokenizer

WITH_TOOLS, WITH_DOCUMENTS = "tool_use", "rag"
"""Names of templates that some models have beside their default one."""
REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names that a message's reasoning has; templates read one of the first two."""
OWN = ("messages", "tools")
"""Variables that a client sets by fields of their own."""
FAULTS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class ChatTemplate:
    """Renders with one of `sources`, the templates by name; a text alone is the default one.

    Raises StartError if Jinja cannot compile them, or if none of them is for every conversation.
    """

    def __init__(self, sources: str | Mapping[str, str], special_tokens: Mapping[str, Any]) -> None:
        named = {DEFAULT: sources} if isinstance(sources, str) else sources
        if DEFAULT not in named:
            raise StartError(
                f"the model has the chat templates {', '.join(sorted(named))} and none that is "
                f"called {DEFAULT!r}; name one with the setting 'chat_template'"
            )
        self._templates = {
            name: _Template(source, special_tokens) for name, source in named.items()
        }

    @property
    def sources(self) -> list[str]:
        """The texts of all templates."""
        return [template.source for template in self._templates.values()]

    @cached_property
    def variables(self) -> frozenset[str]:
        """The variables that one of the templates may read."""
        return frozenset[str]().union(*map(read_variables, self.sources))

    @property
    def source_with_tools(self) -> str:
        """The text of the template for conversations with tools."""
        return self._template(with_tools=True).source

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """Returns the prompt, which ends where the assistant's answer begins.

        Raises InvalidValue when the template refuses the conversation, or leaves out a message.
        """
        given = arguments or {}
        template = self._template(bool(tools), bool(given.get("documents")))
        return template.render([_with_reasoning(message) for message in messages], tools, given)

    def attempt(self, messages: Sequence[Message], arguments: Mapping[str, Any]) -> str | None:
        """Returns the text of messages by the default template, None where it refuses them."""
        return self._templates[DEFAULT].attempt(messages, arguments)

    def _template(self, with_tools: bool, with_documents: bool = False) -> "_Template":
        if with_tools and WITH_TOOLS in self._templates:
            return self._templates[WITH_TOOLS]
        if with_documents and WITH_DOCUMENTS in self._templates:
            return self._templates[WITH_DOCUMENTS]
        return self._templates[DEFAULT]


class _Template:
    """One template, with the form of the messages that it takes."""

    def __init__(self, source: str, special_tokens: Mapping[str, Any]) -> None:
        self.source = source
        self._special_tokens = special_tokens
        try:
            self._compiled = compile_template(source)
        except TemplateError as error:
            raise StartError(f"the chat template is not valid Jinja: {error}") from None
        self._form = find_form(
            lambda messages: self._try({**self._variables(None), "messages": messages})
        )

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None,
        arguments: Mapping[str, Any],
    ) -> str:
        for name in arguments:
            if name in OWN or name in self._special_tokens:
                raise InvalidValue(
                    f"chat_template_kwargs must not set {name!r}", param="chat_template_kwargs"
                )
        variables = {**self._variables(tools), **arguments}
        converted = [self._form.convert(message) for message in messages]
        prompt = self._render({**variables, "messages": converted})
        lost = message_without_trace(
            converted,
            prompt,
            self._form,
            lambda changed: self._try({**variables, "messages": changed}),
        )
        if lost is not None:
            raise InvalidValue(
                f"the model's chat template leaves out message {lost}, of the role "
                f"{converted[lost]['role']!r}",
                param="messages",
            )
        return prompt

    def attempt(self, messages: Sequence[Message], arguments: Mapping[str, Any]) -> str | None:
        converted = [self._form.convert(message) for message in messages]
        return self._try({**self._variables(None), **arguments, "messages": converted})

    def _variables(self, tools: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
        """Returns what the template knows beside the messages."""
        return {
            "add_generation_prompt": True,
            "documents": None,
            **self._special_tokens,
            "tools": tools or None,
        }

    def _try(self, variables: Mapping[str, Any]) -> str | None:
        try:
            return self._compiled.render(variables)
        except (TemplateError, *FAULTS):
            return None

    def _render(self, variables: Mapping[str, Any]) -> str:
        try:
            return self._compiled.render(variables)
        except TemplateError as error:
            reason = getattr(error, "refusal", None) or type(error).__name__
            raise InvalidValue(
                f"the model's chat template refuses these messages: {reason}", param="messages"
            ) from None
        except FAULTS as error:
            raise InvalidValue(
                f"the model's chat template cannot render these messages: {type(error).__name__}",
                param="messages",
            ) from None


def _with_reasoning(message: Message) -> Message:
    """Gives a message's reasoning the names that templates read, as transformers does."""
    reasoning = next((message[name] for name in REASONING if message.get(name) is not None), None)
    if reasoning is None:
        return message
    return {"thinking": reasoning, **message, "reasoning_content": reasoning}


def load_chat_template(
    directory: Path, tokenizer: Tokenizer, override: str | None
) -> ChatTemplate | None:
    """Returns the template named in the settings, else the model's, else None."""
    sources = read_override(override) if override else read_templates(directory, tokenizer.config)
    return ChatTemplate(sources, tokenizer.template_variables) if sources else None
