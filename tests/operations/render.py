"""python render.py: render the chart as `helm template` does; in the environment `schemas`.

Standard input is a JSON object: `chart` and `values_file` are paths, `values` is an object above
the file's, `name` is the release's. Prints a JSON object with the text of each `file`, the `lint`
messages, or the `error`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import helm_python

WARNING = 2


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Returns both as `-f below -f above` has them."""
    inner = {
        name: merged(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return {**below, **above, **inner}


def main() -> None:
    request = json.load(sys.stdin)
    file = helm_python.values_from_yaml(Path(request["values_file"]).read_text("utf-8"))
    values = merged(file, request["values"])
    with helm_python.Chart.load(request["chart"]) as chart:
        try:
            files = chart.render(values, name=request["name"], namespace="models")
        except helm_python.HelmError as error:
            json.dump({"error": str(error)}, sys.stdout)
            return
    messages = helm_python.lint(request["chart"], values, strict=True)["messages"]
    found = [message["error"] for message in messages if message["severity"] >= WARNING]
    json.dump({"files": files, "lint": found}, sys.stdout)


if __name__ == "__main__":
    main()
