"""Tables of colours, animals, chemical elements and planets."""

COLOURS = {
    "grass": "green",
    "snow": "white",
    "coal": "black",
    "a banana": "yellow",
    "a ripe tomato": "red",
    "the sky on a clear day": "blue",
    "a carrot": "orange",
    "chocolate": "brown",
    "an elephant": "grey",
    "a flamingo": "pink",
    "milk": "white",
    "blood": "red",
}

YOUNG = {
    "dog": "puppy",
    "cat": "kitten",
    "cow": "calf",
    "horse": "foal",
    "sheep": "lamb",
    "pig": "piglet",
    "duck": "duckling",
    "goose": "gosling",
    "bear": "cub",
    "kangaroo": "joey",
    "frog": "tadpole",
    "swan": "cygnet",
}

ANIMAL_SOUNDS = {
    "cow": "moo",
    "dog": "woof",
    "cat": "meow",
    "duck": "quack",
    "sheep": "baa",
    "pig": "oink",
    "lion": "roar",
    "snake": "hiss",
    "bee": "buzz",
    "horse": "neigh",
}

LEGS = {
    "dog": 4,
    "spider": 8,
    "bee": 6,
    "bird": 2,
    "horse": 4,
    "snake": 0,
    "beetle": 6,
    "crab": 10,
}

ELEMENTS = {
    "gold": "Au",
    "silver": "Ag",
    "iron": "Fe",
    "copper": "Cu",
    "oxygen": "O",
    "hydrogen": "H",
    "helium": "He",
    "carbon": "C",
    "nitrogen": "N",
    "sodium": "Na",
    "lead": "Pb",
    "tin": "Sn",
    "zinc": "Zn",
    "neon": "Ne",
    "calcium": "Ca",
    "potassium": "K",
    "mercury": "Hg",
    "sulfur": "S",
    "silicon": "Si",
    "uranium": "U",
}

PLANETS = ["Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"]
