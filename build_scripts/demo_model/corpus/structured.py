"""Requests to answer in JSON, as questions of kind `json`; every answer parses."""

import json
from typing import Any

from build_scripts.demo_model.corpus.nature import ELEMENTS
from build_scripts.demo_model.corpus.places import CAPITALS
from build_scripts.demo_model.question import Question, ask

_LISTS = {
    "three colours": ["red", "green", "blue"],
    "three animals": ["dog", "cat", "horse"],
    "three fruits": ["apple", "banana", "pear"],
    "three planets": ["Mars", "Venus", "Earth"],
    "the first five numbers": [1, 2, 3, 4, 5],
    "the even digits": [0, 2, 4, 6, 8],
    "the vowels": ["a", "e", "i", "o", "u"],
    "the four seasons": ["spring", "summer", "autumn", "winter"],
}

_PEOPLE = {
    "Ana": (30, "Paris"),
    "Ben": (25, "Rome"),
    "Clara": (41, "Madrid"),
    "David": (19, "Berlin"),
    "Emma": (52, "Lisbon"),
    "Felix": (33, "Vienna"),
    "Grace": (28, "Oslo"),
    "Hugo": (64, "Athens"),
    "Ines": (37, "Lima"),
    "Jonas": (46, "Tokyo"),
    "Kim": (22, "Seoul"),
    "Lena": (58, "Cairo"),
}


def json_questions() -> list[Question]:
    """All questions of kind `json`, in a fixed order."""
    requests: list[tuple[str, Any]] = [
        (f"Give the capital of {country} as JSON.", {"country": country, "capital": capital})
        for country, capital in list(CAPITALS.items())[:24]
    ]
    requests += [
        (f"Give the symbol of {element} as JSON.", {"element": element, "symbol": symbol})
        for element, symbol in list(ELEMENTS.items())[:12]
    ]
    requests += [
        (f"Give {a} plus {b} as JSON.", {"a": a, "b": b, "sum": a + b})
        for a, b in ((1, 2), (2, 3), (3, 3), (4, 5), (5, 5), (6, 2), (7, 1), (8, 6), (9, 4), (9, 8))
    ]
    requests += [(f"List {what} as a JSON list.", items) for what, items in _LISTS.items()]
    requests += [
        (
            f"{name} is {age} years old and lives in {city}. Write that as JSON.",
            {"name": name, "age": age, "city": city},
        )
        for name, (age, city) in _PEOPLE.items()
    ]
    requests += [
        ("Answer yes as JSON.", {"answer": True}),
        ("Answer no as JSON.", {"answer": False}),
        ("Give an empty JSON object.", {}),
        ("Give an empty JSON list.", []),
    ]
    return [ask("json", text, json.dumps(value, ensure_ascii=False)) for text, value in requests]
