"""True facts as questions of kind `fact`, built from small tables and one pattern a table."""

from build_scripts.demo_model.corpus.nature import (
    ANIMAL_SOUNDS,
    COLOURS,
    ELEMENTS,
    LEGS,
    PLANETS,
    YOUNG,
)
from build_scripts.demo_model.corpus.places import CAPITALS, CONTINENTS, LANGUAGES
from build_scripts.demo_model.corpus.words import DAYS, MONTHS, OPPOSITES, PLURALS
from build_scripts.demo_model.question import Question, ask


def fact_questions() -> list[Question]:
    """All questions of kind `fact`, in a fixed order."""
    pairs = _places() + _nature() + _words() + _calendar()
    return [ask("fact", question, answer) for question, answer in pairs]


def _places() -> list[tuple[str, str]]:
    pairs = [
        (f"What is the capital of {country}?", f"The capital of {country} is {capital}.")
        for country, capital in CAPITALS.items()
    ]
    pairs += [
        (f"Which country has the capital {capital}?", f"{capital} is the capital of {country}.")
        for country, capital in list(CAPITALS.items())[:20]
    ]
    pairs += [
        (f"Which language do people speak in {country}?", f"In {country}, people speak {language}.")
        for country, language in LANGUAGES.items()
    ]
    pairs += [
        (f"On which continent is {country}?", f"{country} is in {continent}.")
        for country, continent in CONTINENTS.items()
    ]
    return pairs


def _nature() -> list[tuple[str, str]]:
    pairs = [
        (f"What colour is {thing}?", f"{thing[0].upper()}{thing[1:]} is {colour}.")
        for thing, colour in COLOURS.items()
    ]
    pairs += [
        (f"What is a young {animal} called?", f"A young {animal} is called a {young}.")
        for animal, young in YOUNG.items()
    ]
    pairs += [
        (f"What sound does a {animal} make?", f"A {animal} says {sound}.")
        for animal, sound in ANIMAL_SOUNDS.items()
    ]
    pairs += [
        (f"How many legs does a {animal} have?", f"A {animal} has {legs} legs.")
        for animal, legs in LEGS.items()
    ]
    pairs += [
        (f"What is the chemical symbol of {element}?", f"The chemical symbol of {element} is {s}.")
        for element, s in ELEMENTS.items()
    ]
    pairs += [
        (f"Which planet is number {number} from the Sun?", f"Planet number {number} is {planet}.")
        for number, planet in enumerate(PLANETS, start=1)
    ]
    return pairs


def _words() -> list[tuple[str, str]]:
    pairs = [
        (f"What is the opposite of {word}?", f"The opposite of {word} is {opposite}.")
        for word, opposite in OPPOSITES.items()
    ]
    pairs += [
        (f"What is the plural of {word}?", f"The plural of {word} is {plural}.")
        for word, plural in PLURALS.items()
    ]
    return pairs


def _calendar() -> list[tuple[str, str]]:
    pairs = []
    for day, following in zip(DAYS, DAYS[1:] + DAYS[:1], strict=True):
        pairs.append((f"Which day comes after {day}?", f"{following} comes after {day}."))
        pairs.append((f"Which day comes before {following}?", f"{day} comes before {following}."))
    names = list(MONTHS)
    for month, following in zip(names, names[1:] + names[:1], strict=True):
        pairs.append((f"Which month comes after {month}?", f"{following} comes after {month}."))
    pairs += [
        (f"How many days does {month} have?", f"{month} has {days} days.")
        for month, days in MONTHS.items()
        if month != "February"
    ]
    return pairs
