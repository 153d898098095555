"""The identity of a model directory, cheap enough for every start of a service."""

import hashlib
from pathlib import Path

from common.models.artifacts.manifest import MANIFEST

TEXTS = (".json", ".jinja", ".model", ".tiktoken", ".txt", ".py")
"""Files that are read whole: configuration, tokenizer, template, the model's own code."""
WEIGHTS = (".safetensors", ".bin")
HEAD = 64 * 1024
"""Bytes of the beginning of a weight file, where names and shapes stand."""
BLOCKS, BLOCK = 512, 1024
"""Samples of each weight file, evenly spread, and bytes in each: weights that were trained further
differ nearly everywhere, and an adapter that was merged into a tenth of them escapes all 512
samples with a probability of 0.9^512."""


def fingerprint(directory: Path) -> str:
    """Returns the SHA-256, in hexadecimal, of the texts and of samples of the weights."""
    digest = hashlib.sha256()
    for file in sorted(directory.iterdir()):
        if file.name == MANIFEST or not file.is_file():
            continue
        if file.suffix in TEXTS:
            digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
        elif file.suffix in WEIGHTS:
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + _samples(file))
    return digest.hexdigest()


def _samples(file: Path) -> bytes:
    """Returns the digest of the head and of the sampled blocks."""
    size = file.stat().st_size
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        digest.update(stream.read(HEAD))
        for index in range(BLOCKS):
            stream.seek(max(0, size - BLOCK) * index // (BLOCKS - 1))
            digest.update(stream.read(BLOCK))
    return digest.hexdigest().encode()
