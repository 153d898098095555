"""A conversation to one prompt text by the model's own Jinja template.

The environment is the one that templates are written for: that of
transformers.utils.chat_template_utils (sandboxed, trimmed blocks, `tojson` that keeps Unicode,
`raise_exception`, `strftime_now`, loop controls).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from common.errors import InvalidValue, StartError
from common.files import read_text
from common.text.tokenizer import Tokenizer

Message = Mapping[str, Any]


class ChatTemplate:
    """`source` is the template text. Raises StartError if Jinja cannot compile it."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        self.source = source
        self._special_tokens = special_tokens
        try:
            self._template = _compile(source)
        except TemplateError as error:
            raise StartError(f"the chat template is not valid Jinja: {error}") from None

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt, ending where the assistant's answer begins.

        Raises InvalidValue when the template refuses the conversation.
        """
        own = {
            **self._special_tokens,
            "messages": messages,
            "tools": tools or None,
        }
        for name in arguments or ():
            if name in own:
                raise InvalidValue(
                    f"chat_template_kwargs must not set {name!r}", param="chat_template_kwargs"
                )
        variables = {"add_generation_prompt": True, "documents": None, **own, **(arguments or {})}
        try:
            return self._template.render(variables)
        except TemplateError as error:
            reason = getattr(error, "refusal", None) or type(error).__name__
            raise InvalidValue(
                f"the model's chat template refuses these messages: {reason}", param="messages"
            ) from None
        except (
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise InvalidValue(
                f"the model's chat template cannot render these messages: {type(error).__name__}",
                param="messages",
            ) from None


def load_chat_template(
    directory: Path, tokenizer: Tokenizer, override: str | None
) -> ChatTemplate | None:
    """The template named in the settings, else the model's, else None."""
    source = _read_override(override) if override else _find(directory, tokenizer)
    return None if source is None else ChatTemplate(source, tokenizer.special_tokens)


def _read_override(override: str) -> str:
    file = Path(override).expanduser()
    if not file.is_file():
        raise StartError(f"setting 'chat_template': no file {override!r}; allowed is a Jinja file")
    return read_text(file)


def _find(directory: Path, tokenizer: Tokenizer) -> str | None:
    file = directory / "chat_template.jinja"
    if file.exists():
        return read_text(file)
    configured = tokenizer.config.get("chat_template")
    if isinstance(configured, list):
        named = [e for e in configured if isinstance(e, dict) and e.get("name") == "default"]
        configured = named[0].get("template") if named else None
    return configured if isinstance(configured, str) else None


class _Refusal(TemplateError):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.refusal = message


def _compile(source: str) -> Template:
    def raise_exception(message: str) -> NoReturn:
        raise _Refusal(message)

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)
