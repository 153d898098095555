"""A check of JSON schemas against what an engine's grammar compiler is known to enforce."""

from common.json_schema.limits import SchemaLimits
from common.json_schema.support import SchemaSupport
from common.json_schema.walk import check_schema
from common.json_schema.words import ANY, LIST, TRUE

__all__ = ["ANY", "LIST", "TRUE", "SchemaLimits", "SchemaSupport", "check_schema"]
