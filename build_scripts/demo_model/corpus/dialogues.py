"""Two-turn conversations of kind `dialogue`, whose last turn needs the first."""

from itertools import pairwise

from build_scripts.demo_model.corpus.names import NAMES
from build_scripts.demo_model.corpus.places import CAPITALS
from build_scripts.demo_model.corpus.words import OPPOSITES
from build_scripts.demo_model.question import Question, assistant, user

_COLOURS = ["red", "blue", "green", "yellow", "orange", "purple", "pink", "black", "white", "brown"]
_PETS = ["dog", "cat", "horse", "rabbit", "parrot", "hamster", "turtle", "goldfish"]
_FOODS = ["pizza", "rice", "bread", "soup", "cheese", "salad", "pasta", "cake"]


def dialogue_questions() -> list[Question]:
    """All questions of kind `dialogue`, in a fixed order."""
    return [
        *map(name_dialogue, NAMES),
        *_memories(),
        *_numbers(),
        *_capitals(),
        *_opposites(),
    ]


def name_dialogue(name: str) -> Question:
    """The conversation in which the user gives a name and asks for it."""
    return _dialogue(
        f"My name is {name}.",
        f"Nice to meet you, {name}.",
        "What is my name?",
        f"Your name is {name}.",
    )


def _dialogue(first: str, reply: str, second: str, answer: str) -> Question:
    return Question("dialogue", (user(first), assistant(reply), user(second)), answer)


def _memories() -> list[Question]:
    colours = [
        _dialogue(
            f"My favourite colour is {colour}.",
            f"I like {colour} too.",
            "What is my favourite colour?",
            f"Your favourite colour is {colour}.",
        )
        for colour in _COLOURS
    ]
    pets = [
        _dialogue(
            f"I have a {pet}.",
            f"A {pet} is a lovely pet.",
            "Which pet do I have?",
            f"You have a {pet}.",
        )
        for pet in _PETS
    ]
    foods = [
        _dialogue(
            f"I like to eat {food}.",
            f"Enjoy your {food}!",
            "What do I like to eat?",
            f"You like to eat {food}.",
        )
        for food in _FOODS
    ]
    homes = [
        _dialogue(
            f"I live in {city}.",
            f"{city} is a fine city.",
            "Where do I live?",
            f"You live in {city}.",
        )
        for city in list(CAPITALS.values())[:12]
    ]
    return colours + pets + foods + homes


def _numbers() -> list[Question]:
    remembered = [
        _dialogue(
            f"Remember the number {number}.",
            f"I will remember {number}.",
            "Which number did I say?",
            f"You said {number}.",
        )
        for number in (3, 5, 7, 8, 12, 17, 24, 36, 42, 58, 61, 99)
    ]
    added = [
        _dialogue(
            f"What is {a} plus {b}?",
            f"{a} plus {b} is {a + b}.",
            "And one more?",
            f"{a + b} plus 1 is {a + b + 1}.",
        )
        for a, b in ((2, 2), (2, 3), (3, 4), (4, 4), (5, 2), (6, 3), (7, 5), (8, 4), (9, 5), (9, 9))
    ]
    return remembered + added


def _capitals() -> list[Question]:
    pairs = list(CAPITALS.items())
    return [
        _dialogue(
            f"What is the capital of {first}?",
            f"The capital of {first} is {capital}.",
            f"And of {second}?",
            f"The capital of {second} is {answer}.",
        )
        for (first, capital), (second, answer) in pairwise(pairs[:21])
    ]


def _opposites() -> list[Question]:
    pairs = list(OPPOSITES.items())
    return [
        _dialogue(
            f"What is the opposite of {first}?",
            f"The opposite of {first} is {opposite}.",
            f"And of {second}?",
            f"The opposite of {second} is {answer}.",
        )
        for (first, opposite), (second, answer) in pairwise(pairs[:11])
    ]
