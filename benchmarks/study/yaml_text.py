"""A study's YAML file, whose errors name a line of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.yaml_lines import KeyPath, YAMLFault, YAMLText, parse_yaml


class StudyError(Exception):
    """Says what the author of a study can mend; a line for each mistake."""


@dataclass(frozen=True)
class StudyText:
    """A study's file, its text as it was written, and what it says."""

    file: Path
    source: str
    yaml: YAMLText

    @property
    def value(self) -> Any:
        """The value of the whole file."""
        return self.yaml.value

    def error(self, path: KeyPath, message: str) -> StudyError:
        """Returns one with `message` at the line of `path`, or of the nearest thing around it."""
        name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return StudyError(
            f"{self.file}, line {self.yaml.line(path)}: {name + ': ' if name else ''}{message}"
        )


def read_yaml(file: Path) -> StudyText:
    """Returns what the file says. Raises StudyError for one that cannot be read, is no YAML or says
    a thing twice."""
    try:
        source = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise StudyError(f"{file}: {reason}") from None
    try:
        text = parse_yaml(source)
    except YAMLFault as fault:
        line = "" if fault.line is None else f", line {fault.line}"
        raise StudyError(f"{file}{line}: {fault}") from None
    if text.value is None:
        raise StudyError(f"{file}: is empty; benchmarks/studies/ holds examples")
    return StudyText(file, source, text)
