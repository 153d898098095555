"""Changes of a JSON value by its structure, and of a text by its bytes."""

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.values import KNOWN, TEXTS, odd

BYTES = (
    b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity",
    b"1e999", b"0x1", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\r\n", b"//", b"'",
    b'"model":"default",', b'"stream":true,', b"[" * 2000, b"9" * 500,
)  # fmt: skip
Place = tuple[Any, Any]
"""A list or an object, and the index or the name of a value in it."""


def places(value: Any) -> list[Place]:
    """Returns every place of a value within `value`, at any depth."""
    every: list[Place] = []
    rest = [value]
    while rest:
        node = rest.pop()
        keys: Sequence[Any] = ()
        if isinstance(node, dict):
            keys = list(node)
        elif isinstance(node, list):
            keys = range(len(node))
        every += [(node, key) for key in keys]
        rest += [node[key] for key in keys]
    return every


def _replace(rng: random.Random, node: Any, key: Any, _: Any) -> None:
    node[key] = odd(rng) if rng.random() < 0.6 else rng.choice(TEXTS)


def _delete(rng: random.Random, node: Any, key: Any, _: Any) -> None:
    del node[key]


def _wrap(rng: random.Random, node: Any, key: Any, _: Any) -> None:
    node[key] = [node[key]] if rng.random() < 0.5 else {rng.choice(TEXTS): node[key]}


def _repeat(rng: random.Random, node: Any, key: Any, _: Any) -> None:
    if isinstance(node[key], str | list):
        node[key] = node[key] * rng.choice((2, 3, 20))


def _rename(rng: random.Random, node: Any, key: Any, _: Any) -> None:
    if isinstance(node, dict):
        name = rng.choice((*KNOWN, key.upper(), key[:-1], key + "s", *TEXTS[:12]))
        node[name] = node.pop(key)


def _add(rng: random.Random, node: Any, key: Any, _: Any) -> None:
    if isinstance(node, dict):
        name = rng.choice((*KNOWN, *TEXTS))
        node[name] = rng.choice((*KNOWN.get(name, ()), odd(rng)))
    else:
        node.insert(key, odd(rng))


def _exchange(rng: random.Random, node: Any, key: Any, other: Place) -> None:
    node[key] = copy.deepcopy(other[0][other[1]])


CHANGES: Sequence[Callable[[random.Random, Any, Any, Any], None]] = (
    _replace, _replace, _replace, _delete, _wrap, _repeat, _rename, _add, _exchange,
)  # fmt: skip


def changed(rng: random.Random, value: Any) -> Any:
    """Returns `value` with some of its places changed; it is changed itself, too."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        every = places(value)
        if not every:
            return odd(rng)
        node, key = rng.choice(every)
        rng.choice(CHANGES)(rng, node, key, rng.choice(every))
    return value


def written(rng: random.Random, value: Any) -> bytes:
    """Returns `value` as JSON, in one of the ways to write it."""
    if rng.random() < 0.5:
        return json.dumps(value).encode()
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def broken(rng: random.Random, data: bytes) -> bytes:
    """Returns `data` with some of its bytes changed, moved, lost or added."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 8, 64)))
        match rng.randrange(6):
            case 0:
                data = data[:at] + rng.choice(BYTES) + data[at:]
            case 1:
                data = data[:at] + data[end:]
            case 2:
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:end] + data[at:]
            case 4:
                data = data[:at]
            case _:
                data = data[:at] + rng.randbytes(rng.choice((1, 4, 30))) + data[at:]
    return data
