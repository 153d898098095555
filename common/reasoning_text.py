"""What stands before an answer of a fixed form, in no engine's own words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReasoningText:
    """Free text from `begin` to `end`; then `answer`, what stands around the form.

    `begin` is empty where the prompt ends with it. With `bare`, which may be empty, the reasoning
    may be left out, and `bare` is what then stands before the form.
    """

    begin: str
    end: str
    answer: tuple[str, str] = ("", "")
    bare: str | None = None
