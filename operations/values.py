"""Writes what the chart says of each backend and of each setting.

    python -m operations.values --write

puts operations/chart/values/BACKEND.yaml and, into operations/chart/values.schema.json, the parts
about settings and secrets. The rest of the schema is written by hand.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from build_scripts.bentos.container import build_command
from build_scripts.bentos.table import Bento, bentos
from common.command_line import Parser
from common.engine import Engine
from common.secrets import HUB_TOKEN, NO_SECRETS, SECRET_NAMES
from common.settings import Settings
from services._backends import backends, load

CHART = Path(__file__).parent / "chart"
SCHEMA = CHART / "values.schema.json"
OUTSIDE = ("api_keys", "api_keys_file")
"""Settings that come from the Secret."""
WIDTH = 80
"""Columns that an object of the schema file may fill before it is spread over lines."""
WITHOUT_SECRETS = {"$ref": "#/definitions/withoutSecrets"}
WORDS = SECRET_NAMES.pattern.removeprefix("(?:^|[_-])").removesuffix("(?:[_-]|$)")
NAME = f"(?i){SECRET_NAMES.pattern}"
FLAG = f"(?i)^--(?:[^=]*[_-])?{WORDS}(?:[_-]|=|$)"
"""`--api-key`, also before `=`."""
QUERY = f"(?i)://[^#]*[?&](?:[^=&#]*[_-])?{WORDS}(?:[_-]|=)"
"""`http://host/?api_key=`."""
USER = "://[^/?#]*@"
"""`http://user:password@host`."""


def values_files() -> dict[Path, str]:
    """Returns the text of every file in values/, by its path."""
    known = [bento for backend in backends() for bento in bentos(backend)]
    stems = [".".join(filter(None, (bento.backend, bento.variant))) for bento in known]
    paths = [CHART / "values" / f"{stem}.yaml" for stem in stems]
    return dict(zip(paths, map(values_text, known), strict=True))


def values_text(bento: Bento) -> str:
    """Returns the values in which this bento differs from values.yaml."""
    lines = [
        "# Made by python -m operations.values --write from bentos/bentos.toml and the engine."
    ]
    command = build_command(bento.engine, Settings())
    if command is not None:
        lines += [
            f"# {bento.engine.title} runs what was compiled for its GPU: settings.engine_dir says",
            f"# where it lies. {command}",
        ]
    lines += [f"backend: {bento.backend}", "image:", f"  repository: {bento.name}"]
    if bento.packaging.gpu:
        lines.append("gpus: 1")
    if bento.packaging.shm:
        lines.append(f"shm: {bento.packaging.shm.replace('g', 'Gi')}")
    if not bento.engine.loads_weights:
        lines += ["cache:", "  enabled: false"]
    return "\n".join(lines) + "\n"


def schema_text() -> str:
    """Returns the schema file with the parts about settings and secrets made anew."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    schema["properties"]["backend"] = {"enum": backends()}
    schema["properties"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": settings_schema(),
    }
    schema["definitions"] |= secret_schemas()
    schema["allOf"] = [
        {"properties": {"settings": {"additionalProperties": WITHOUT_SECRETS}}},
        *(rule(load(backend)[1]) for backend in backends()),
    ]
    return json_text(schema) + "\n"


def json_text(value: Any, indent: str = "") -> str:
    """Returns JSON with each object on one line where it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + json_text(item, inner) for item in value) + f"\n{indent}]"
    items = (f"{inner}{json.dumps(name)}: {json_text(item, inner)}" for name, item in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def settings_schema() -> dict[str, Any]:
    """Returns a schema for each setting that values may hold, by its name."""
    properties = Settings.model_json_schema()["properties"]
    # Pydantic's schema does not have what a validator checks.
    properties["otlp_endpoint"]["pattern"] = "^https?://[^/]"
    return {name: _setting(properties[name]) for name in properties if name not in OUTSIDE}


def _setting(described: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in described.items() if key not in ("anyOf", "title")}
    # A setting without a default is left out, not null.
    own |= next((kind for kind in described.get("anyOf", ()) if kind["type"] != "null"), {})
    if own.get("default", ...) is None:
        del own["default"]
    if own["type"] == "array":
        own["type"] = ["array", "string"]
    return own


def secret_schemas() -> dict[str, Any]:
    """Returns the schemas of names and, at any depth, of values that secrets.py would refuse."""
    not_tokens = {"not": {"pattern": NO_SECRETS.pattern}}
    flag = {"allOf": [{"pattern": FLAG}, not_tokens]}
    patterns = [{"pattern": pattern} for pattern in (HUB_TOKEN.pattern, USER, QUERY)]
    return {
        "nameOfSecret": {"allOf": [{"pattern": NAME}, not_tokens]},
        "withoutSecrets": {
            "propertyNames": {"not": {"$ref": "#/definitions/nameOfSecret"}},
            "additionalProperties": WITHOUT_SECRETS,
            "items": WITHOUT_SECRETS,
            "if": {"type": "string"},
            "then": {"not": {"anyOf": [*patterns, flag]}},
        },
    }


def rule(engine: type[Engine]) -> dict[str, Any]:
    """Returns what holds for the settings of one backend: those without effect keep defaults."""
    fields = Settings.model_fields
    kept = {
        name: {"const": fields[name].get_default(call_default_factory=True)}
        for name in engine.unsupported_settings
        if name in fields
    }
    methods = [name.partition("=")[2] for name in engine.unsupported_settings if "=" in name]
    if methods:
        kept["speculative"] = {"not": {"pattern": f"^({'|'.join(methods)}):"}}
    then: dict[str, Any] = {"properties": kept}
    if build_command(engine, Settings()) is not None:
        then["anyOf"] = [{"required": ["engine_dir"]}, {"required": ["engine_url"]}]
    this = {"properties": {"backend": {"const": engine.name}}}
    return {"if": this, "then": {"properties": {"settings": then}}}


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    for path, text in {**values_files(), SCHEMA: schema_text()}.items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
