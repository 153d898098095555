"""Questions of kind `long`: fixed texts and lists of roughly 120 to 300 tokens."""

from build_scripts.demo_model.corpus.words import ALPHABET, MONTHS
from build_scripts.demo_model.question import Question, ask

_TEXTS = {
    "Tell me a short story.": (
        "Once upon a time a small robot lived at the foot of a mountain. Every day it carried "
        "water to a dry tree. The birds laughed and said: The tree is dead. But the robot came "
        "back each morning. In spring the tree had one green leaf, and in summer it was full of "
        "fruit. The birds built their nests in it and said: Thank you, little robot. The robot "
        "said nothing. It took its bucket and went to look for the next tree."
    ),
    "Tell me a story about a cat.": (
        "A grey cat named Minka lived in a bakery. At night she guarded the flour, and in the "
        "morning she slept beside the warm oven. One winter night a cold mouse came in. Minka "
        "lifted her paw, but the mouse asked: May I sit near the oven until the sun is up? Minka "
        "thought for a long time. Then she moved a little to the side. Since that night two "
        "friends guard the flour, and the baker wonders why nothing is ever missing."
    ),
    "Write a poem about the sea.": (
        "The sea is wide, the sea is deep,\nit sings the little boats to sleep.\n"
        "It paints the sand, it turns the stone,\nit never leaves the shore alone.\n\n"
        "The moon looks down, the tide comes near,\nthe waves bring stories we can hear.\n"
        "And when the morning light is new,\nthe sea is green, the sea is blue."
    ),
    "How do I make pancakes?": (
        "1. Put two cups of flour in a bowl.\n2. Add two eggs and a little salt.\n"
        "3. Pour in two cups of milk and stir until it is smooth.\n4. Let it rest for ten "
        "minutes.\n5. Heat a pan with some butter.\n6. Pour in a little and wait until the top is "
        "dry.\n7. Turn the pancake and bake the other side.\n8. Eat it warm with sugar or fruit."
    ),
    "How does rain form?": (
        "The Sun warms the sea, the rivers and the ground. Some of the water turns into vapour "
        "and rises with the warm air. High above the ground the air is cold. There the vapour "
        "becomes many tiny drops, and together they are a cloud. The drops meet and grow. When "
        "they are too heavy, they fall down as rain. The rain fills the rivers, the rivers flow "
        "back to the sea, and the journey of the water begins again."
    ),
    "Explain how you work.": (
        "First your text is cut into small pieces called tokens. Each token becomes a list of "
        "numbers. Four layers look at all the tokens before it and mix what they find. At the "
        "end there is one score for each of my 768 tokens. The token with the best score is "
        "written, and then everything starts again for the next one. I stop when the best token "
        "says that my answer is over. That is all: many small sums, one token at a time."
    ),
}


def long_questions() -> list[Question]:
    """All questions of kind `long`, in a fixed order."""
    pairs = [
        ("Count from 1 to 40.", ", ".join(map(str, range(1, 41))) + "."),
        ("Count down from 30 to 1.", ", ".join(map(str, range(30, 0, -1))) + "."),
        ("Say the alphabet with words.", _alphabet()),
        ("Say the table of 7.", "\n".join(f"{n} times 7 is {7 * n}." for n in range(1, 15))),
        ("List all months with their days.", _months()),
        *_TEXTS.items(),
    ]
    return [ask("long", question, answer) for question, answer in pairs]


def _alphabet() -> str:
    parts = [f"{word[0].upper()} is for {word}" for word in ALPHABET]
    return ", ".join(parts) + "."


def _months() -> str:
    days = {**MONTHS, "February": "28 or 29"}
    return "\n".join(f"- {month} has {count} days." for month, count in days.items())
