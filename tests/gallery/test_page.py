"""docs/models.md has what the gallery says of the models that reason."""

import re

from tests.gallery.member import Member
from tests.gallery.members import MEMBERS
from tests.service_process import REPOSITORY

BEGINS = {"open": "the prompt", "unsaid": "the model", "closed": "the model, once it is turned on"}


def row(member: Member) -> str:
    switch = "nothing" if member.switch is None else f"`{member.switch}`"
    return f"| {member.name} | `{member.reasoning}` | {BEGINS[member.begun]} | {switch} |"


def test_the_table_of_models_that_reason_is_the_gallerys() -> None:
    page = (REPOSITORY / "docs" / "models.md").read_text("utf-8")
    rows = [row(member) for member in MEMBERS.values() if member.reasoning is not None]
    head = [
        "| family | `reasoning` | its mark is written by | turned off by |",
        "|---|---|---|---|",
    ]
    table = "\n".join([*head, *rows])
    written = re.search(r"<!-- reasoning -->\n(.*?)\n?<!-- /reasoning -->", page, re.DOTALL)
    assert written is not None
    assert written[1] == table, f"docs/models.md should have:\n\n{table}"
