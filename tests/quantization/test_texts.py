"""Which tokens calibrate and which are measured, from files as users have them."""

import json
from pathlib import Path

import pytest

from build_scripts.builder import BuildError
from build_scripts.quantize.blocks import TextOptions, blocks
from build_scripts.quantize.samples import Texts, read_samples
from common.models.model import DEMO_MODEL
from common.text.tokenizer import Tokenizer

QUESTION = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "The capital of France is Paris."}


def options(
    file: Path, length: int = 16, held_out: Path | None = None, **values: bool
) -> TextOptions:
    return TextOptions(file, held_out, None, 4, length, values.get("calibrated", True))


def write(folder: Path, *records: object, name: str = "texts.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return file


def decoded(ids: list[int]) -> str:
    return Tokenizer(DEMO_MODEL).decode(ids)


def test_a_conversation_with_its_answer_and_one_that_ends_with_it_are_the_same(
    tmp_path: Path,
) -> None:
    file = write(
        tmp_path,
        {"messages": [QUESTION], "answer": ANSWER["content"]},
        {"messages": [QUESTION, ANSWER]},
        {"prompt": QUESTION["content"], "answer": ANSWER["content"]},
    )
    samples = read_samples(file)
    texts = Texts(DEMO_MODEL)
    ids = texts.ids(samples)
    assert ids[0] == ids[1] == ids[2]
    (start,) = set(texts.answers_start(samples, ids))
    assert decoded(ids[0][:start]).endswith("<|im_start|>assistant\n")
    assert decoded(ids[0][start:]).startswith("The capital of France is Paris.")


def test_texts_longer_than_a_sample_are_cut_and_not_skipped(tmp_path: Path) -> None:
    file = write(tmp_path, {"text": "one two three " * 200})
    found = blocks(DEMO_MODEL, options(file))
    assert [len(block) for block in found.calibration] == [16] * 4


def test_texts_shorter_than_a_sample_are_put_end_to_end(tmp_path: Path) -> None:
    file = write(tmp_path, *[{"text": f"{n} is a number."} for n in range(100)])
    found = blocks(DEMO_MODEL, options(file, length=64))
    assert [len(block) for block in found.calibration] == [64] * 4


def test_what_is_measured_is_not_calibrated_with(tmp_path: Path) -> None:
    file = write(tmp_path, *[{"text": f"{n} is a number."} for n in range(100, 200)])
    found = blocks(DEMO_MODEL, options(file, length=32))
    calibrated = decoded([token for block in found.calibration for token in block])
    held_out = [decoded(ids).removeprefix("<|bos|>") for ids, _ in found.held_out]
    assert len(held_out) == 10
    assert not [text for text in held_out if text in calibrated]


def test_text_to_measure_with_can_be_named(tmp_path: Path) -> None:
    file = write(tmp_path, {"text": "one two three " * 200})
    other = tmp_path / "other.txt"
    other.write_text("A first paragraph.\n\nA second one.\n", "utf-8")
    found = blocks(DEMO_MODEL, options(file, held_out=other))
    texts = sorted(decoded(ids) for ids, _ in found.held_out)
    assert texts == ["<|bos|>A first paragraph.", "<|bos|>A second one."]


def test_without_calibration_all_text_is_to_measure_with(tmp_path: Path) -> None:
    file = write(tmp_path, {"text": "Short."}, {"text": "Also."})
    found = blocks(DEMO_MODEL, options(file, length=512, calibrated=False))
    assert found.calibration == []
    assert len(found.held_out) == 2


def test_a_conversation_that_the_template_refuses_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, {"text": "fine"}, {"messages": [{"role": "nobody", "content": "x"}]})
    with pytest.raises(BuildError, match=r"texts.jsonl, line 2: .*Unknown message role: nobody"):
        blocks(DEMO_MODEL, options(file))


@pytest.mark.parametrize("name", ["texts.jsonl", "texts.txt"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('\ufeff{"text": "One"}\n' if name.endswith("jsonl") else "\ufeffOne\n", "utf-8")
    (sample,) = read_samples(file)
    assert sample.text == "One"
