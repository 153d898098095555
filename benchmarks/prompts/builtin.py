"""The prompts in the repository: questions, tasks over a text, code and conversations.

python -m benchmarks.prompts writes them anew from the TOML files beside this one.
"""

import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "builtin"
FILE = Path(__file__).with_name("builtin.jsonl")
MATERIAL = Path(__file__).with_name("material.toml")
LONG = Path(__file__).with_name("long.toml")
CONVERSATIONS = Path(__file__).with_name("conversations.toml")


def rows() -> Iterator[dict[str, Any]]:
    """Yields every task with every topic, every question about every text, and single prompts."""
    material = _read(MATERIAL)
    for task, topic in itertools.product(material["tasks"], material["topics"]):
        yield {"turns": [task.format(topic=topic)]}
    for text, about in itertools.product(material["texts"], material["about_texts"]):
        yield {"turns": [f"{text.strip()}\n\n{about}"]}
    for long in _read(LONG)["long"]:
        for request in long["requests"]:
            yield {"turns": [f"{long['text'].strip()}\n\n{request}"]}
    for turns in _read(CONVERSATIONS)["conversations"]:
        yield {"turns": turns}
    for prompt in material["alone"]:
        yield {"turns": [prompt]}


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def as_json_lines() -> str:
    """Returns the content of builtin.jsonl."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows())
