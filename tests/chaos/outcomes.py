"""How a request ended, judged by what its client saw and by the answer that is known."""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.load.request import Sent
from benchmarks.results.schema import Outcome
from common.errors import ServiceError

CODE = re.compile(r'"code": ?"(\w+)"')
REJECTIONS = {"overloaded", "draining", "not_ready"}
"""Codes that the service counts as rejected, as common.http.app does; other errors are its own."""


class End(StrEnum):
    """The ends that a request may have; each has exactly one."""

    DONE = "done"
    REFUSED = "refused"
    TOLD = "told"
    LEFT = "left"
    LOST = "lost"


@dataclass
class Ledger:
    """Counts the ends of requests. `unseen` are those that may never have reached the service,
    `broken` those that broke off after the head of their answer; `wrong` are sentences. `back` is
    the end of the first answer to a request that was sent after `lifted`, both in nanoseconds."""

    ends: Counter[End] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    broken: int = 0
    wrong: list[str] = field(default_factory=list)
    lifted: int | None = None
    back: int | None = None

    @property
    def total(self) -> int:
        return sum(self.ends.values())

    def add(self, sent: Sent, expected: str, *, cut: End) -> None:
        """Adds a request that has ended; `cut` is the end of one whose body was cut off."""
        self._check_text(sent, expected)
        match sent.outcome:
            case Outcome.OK:
                self.ends[End.DONE] += 1
                if self.back is None and self.lifted is not None and sent.sent >= self.lifted:
                    self.back = sent.ended
            case Outcome.UNFINISHED:
                self.ends[End.LEFT] += 1
                self.unseen += sent.headers is None
            case Outcome.HTTP_ERROR:
                self._add_error(sent)
            case Outcome.IN_BAND_ERROR:
                self.ends[End.TOLD] += 1
            case Outcome.CUT if cut is End.TOLD:
                self.ends[End.TOLD] += 1
            case Outcome.CUT | Outcome.UNREACHABLE:
                self.ends[End.LOST] += 1
                self.unseen += sent.headers is None
                self.broken += sent.headers is not None
            case _:
                self.ends[End.LOST] += 1
                self.wrong.append(f"{sent.outcome}: {sent.error}")

    def _check_text(self, sent: Sent, expected: str) -> None:
        text = sent.text
        whole = sent.outcome is Outcome.OK
        if text != expected if whole else not expected.startswith(text):
            kind = "a whole answer" if whole else "the beginning of an answer"
            self.wrong.append(f"{kind} is wrong: {text!r}, not {expected!r}")

    def _add_error(self, sent: Sent) -> None:
        found = CODE.search(sent.error or "")
        code = found[1] if found else ""
        if code not in known_codes():
            self.wrong.append(f"status {sent.status} without a known code: {sent.error}")
        self.codes[code] += 1
        self.ends[End.REFUSED if code in REJECTIONS else End.TOLD] += 1


def known_codes() -> set[str]:
    """Returns the codes of all errors that the service may answer with."""
    kinds = [ServiceError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.code for kind in kinds}
