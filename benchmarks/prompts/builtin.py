"""The prompts that lie in the repository: questions, tasks over a text, code and conversations.

python -m benchmarks.prompts writes them anew from material.toml.
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


def rows() -> Iterator[dict[str, Any]]:
    """Every task with every topic, every question about every text, and what stands alone."""
    material = tomllib.loads(MATERIAL.read_text("utf-8"))
    for task, topic in itertools.product(material["tasks"], material["topics"]):
        yield {"turns": [task.format(topic=topic)]}
    for text, about in itertools.product(material["texts"], material["about_texts"]):
        yield {"turns": [f"{text.strip()}\n\n{about}"]}
    for turns in material["conversations"]:
        yield {"turns": turns}
    for alone in material["alone"]:
        yield {"turns": [alone]}


def text() -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows())
