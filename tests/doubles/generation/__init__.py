"""A small real text generator for doubles of engines: the demo model in numpy, continuously
batched, with a complete sampler. Needs only numpy and tokenizers, and starts in a few
milliseconds.
"""

from tests.doubles.generation.generator import DemoGenerator, GeneratorDied, Handle
from tests.doubles.generation.options import Options, Token
from tests.doubles.generation.stream import stream

__all__ = ["DemoGenerator", "GeneratorDied", "Handle", "Options", "Token", "stream"]
