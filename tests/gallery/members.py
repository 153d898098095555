"""The gallery's members, read from members.toml."""

import tomllib
from pathlib import Path
from typing import Any

from tests.gallery.member import Member

FILE = Path(__file__).with_suffix(".toml")


def _read() -> dict[str, Member]:
    values = tomllib.loads(FILE.read_text("utf-8"))
    rows: dict[str, dict[str, Any]] = {}
    for row in values["member"]:
        like = rows.get(row.pop("like", ""), {})
        config = {**like.get("config", {}), **row.get("config", {})}
        rows[row["name"]] = {**like, **row, "config": config}
    return {name: _member(row, values["tokens"]) for name, row in rows.items()}


def _member(row: dict[str, Any], tokens: dict[str, list[str]]) -> Member:
    """TOML has no null: "null" stands for it in a config, "none" in a field."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else None if value == "none" else value
        for name, value in row.items()
    }
    fields |= {"tokens": tuple(tokens[row["tokens"]]), "config": _with_null(row["config"])}
    fields["weights"] = row.get("weights", "none")
    if "sizes" in row:
        fields["sizes"] = _with_null(row["sizes"])
    return Member(**fields)


def _with_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_null(each) for name, each in value.items()}
    return None if value == "null" else value


MEMBERS = _read()
