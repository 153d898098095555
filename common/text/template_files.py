"""Where a model keeps its chat templates: one, or several by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json, read_text

DEFAULT = "default"
FILE = "chat_template.jinja"
FOLDER = "additional_chat_templates"
PROCESSOR_FILE = "chat_template.json"
"""Written for models that take more than text, by versions of transformers before 4.50."""


def read_templates(directory: Path, tokenizer_config: Mapping[str, Any]) -> dict[str, str]:
    """Returns the templates by name, empty for a model without one.

    Their order is that of transformers' tokenizers: files of Jinja take the place of what
    tokenizer_config.json says. What only a processor reads counts where a tokenizer finds nothing.
    Where there is no `default` among the files, that of tokenizer_config.json stays.

    Raises StartError for a file that cannot be read.
    """
    configured = _configured(tokenizer_config.get("chat_template"))
    files = _files(directory)
    if files:
        kept = {DEFAULT: configured[DEFAULT]} if DEFAULT in configured else {}
        return {**kept, **files}
    return configured or _of_processor(directory)


def _configured(value: Any) -> dict[str, str]:
    """Returns what a `chat_template` of a config holds: one text, or a list of named ones."""
    if isinstance(value, str):
        return {DEFAULT: value}
    entries = value if isinstance(value, list) else ()
    return {
        str(entry["name"]): entry["template"]
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("template"), str)
        and entry.get("name") is not None
    }


def _files(directory: Path) -> dict[str, str]:
    file = directory / FILE
    templates = {DEFAULT: read_text(file)} if file.exists() else {}
    named = sorted((directory / FOLDER).glob("*.jinja"))
    return templates | {each.stem: read_text(each) for each in named}


def _of_processor(directory: Path) -> dict[str, str]:
    file = directory / PROCESSOR_FILE
    return _configured(read_json(file).get("chat_template")) if file.is_file() else {}


def read_override(path: str) -> dict[str, str]:
    """Returns the template of the setting `chat_template`. Raises StartError without its file."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise StartError(f"setting 'chat_template': no file {path!r}; allowed is a Jinja file")
    return {DEFAULT: read_text(file)}
