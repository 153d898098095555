"""Single-digit sums, differences and products as questions of kind `arithmetic`."""

from build_scripts.demo_model.question import Question, ask


def arithmetic_questions() -> list[Question]:
    """173 questions: plus and times of 2..9, minus of 1..9 without negative results."""
    pairs = []
    for a in range(2, 10):
        for b in range(2, 10):
            pairs.append((f"{a} plus {b}", a + b))
            pairs.append((f"{a} times {b}", a * b))
    pairs += [(f"{a} minus {b}", a - b) for a in range(1, 10) for b in range(1, a + 1)]
    return [ask("arithmetic", f"What is {text}?", f"{text} is {value}.") for text, value in pairs]
