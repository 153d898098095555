"""Tool calls in generated text, found while it streams.

objects.py   a JSON object with name and arguments, or a list of them
headed.py    a name, a mark, and the arguments as a JSON object
tagged.py    every argument in tags of its own
pythonic.py  functions with arguments in Python's notation

formats.py has the models' formats, each of one of these kinds.
"""

from common.text.tool_calls.format import CallFormat
from common.text.tool_calls.formats import FORMATS, detect_format
from common.text.tool_calls.parser import CallPart, ExpectedCalls, Schemas, ToolCallParser

__all__ = [
    "FORMATS",
    "CallFormat",
    "CallPart",
    "ExpectedCalls",
    "Schemas",
    "ToolCallParser",
    "detect_format",
]
