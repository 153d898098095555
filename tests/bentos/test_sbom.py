"""A bento's bill of materials names every package that its image installs, and its base image."""

import json
from pathlib import Path

from build_scripts.bentos import sbom
from build_scripts.bentos.table import bento
from tests.bentos.support import Store
from tests.operations.tools import SCHEMAS, missing, run

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()))
"""


def test_it_lists_what_is_installed_and_is_valid(tmp_path: Path) -> None:
    if not SCHEMAS.exists():
        missing("the environment of the schemas is not here: run scripts/setup schemas")
    directory = Store(tmp_path).build("echo", "--sbom")
    text = (directory / sbom.FILE).read_text("utf-8")
    document = json.loads(text)
    assert run(SCHEMAS, "-c", VALIDATE, given=text).stdout == "None\n"
    packages = {c["name"]: c["version"] for c in document["components"] if "purl" in c}
    pins = (directory / sbom.REQUIREMENTS).read_text("utf-8").splitlines()
    wanted = dict(pin.split("==") for pin in pins if not pin.startswith("#"))
    assert {name.lower() for name in packages} == {name.lower() for name in wanted}
    assert "bentoml" in packages
    image = next(c for c in document["components"] if c["type"] == "container")
    assert image["name"] == bento("echo").image
    assert document["metadata"]["component"]["name"] == "llm-echo"
