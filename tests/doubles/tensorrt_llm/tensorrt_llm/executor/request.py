"""What a request names beside its prompt."""

from dataclasses import dataclass

from tests.doubles.recorded import Recorded


class LoRARequest(
    Recorded, contract="trtllm", target="LoRARequest", make=dataclass(unsafe_hash=True)
):
    """An adapter's name, its number, and where it lies."""
