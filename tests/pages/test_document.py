"""The OpenAPI document is one: its specification's own schema takes it."""

import json
import subprocess

from tests.operations.tools import SCHEMAS, missing
from tests.service_process import Service

CHECK = """
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
print(json.dumps([
    [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    for document in json.load(sys.stdin)
]))
"""


def test_the_document_is_valid(served: Service) -> None:
    if not SCHEMAS.exists():
        missing("the environment of the schemas is not here: run scripts/setup schemas")
    text = served.http.get("/openapi.json").text
    broken = text.replace('"in":"path"', '"in":"street"', 1)
    given = json.dumps([json.loads(text), json.loads(broken)])
    done = subprocess.run([SCHEMAS, "-c", CHECK], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    faults, faults_of_broken = json.loads(done.stdout)
    assert faults == []
    assert "street" in str(faults_of_broken)
