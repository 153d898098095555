"""One way to build everything that services load: checked first, atomic, content-addressed."""

from build_scripts.builder.errors import BuildError
from build_scripts.builder.recipe import Recipe, Step
from build_scripts.builder.source import Source

__all__ = ["BuildError", "Recipe", "Source", "Step"]
