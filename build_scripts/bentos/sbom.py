"""Lists what a built bento consists of, as a CycloneDX document (https://cyclonedx.org)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from build_scripts.bentos.table import ROOT
from build_scripts.builder.errors import BuildError
from common.messages import one_line

FILE = "sbom.cdx.json"
PROGRAM = "cyclonedx-py"
FOLDERS = (Path(sys.executable).parent, ROOT / ".venv-schemas" / "bin")
REQUIREMENTS = Path("env") / "python" / "requirements.txt"
"""In a built bento: with bentoml itself."""


def write(bento: Path, base_image: str) -> None:
    """Writes FILE into the bento's directory: its packages, and the image that it begins with.

    Raises BuildError where the program is missing or fails.
    """
    done = subprocess.run(
        [_program(), "requirements", str(bento / REQUIREMENTS), "--output-reproducible"],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildError(f"{PROGRAM} failed: {one_line(done.stderr)}")
    document = json.loads(done.stdout)
    name, version = bento.parent.name, bento.name
    document["metadata"]["component"] = {
        "bom-ref": f"{name}:{version}",
        "type": "application",
        "name": name,
        "version": version,
    }
    document["components"].append(
        {"bom-ref": "base-image", "type": "container", "name": base_image}
    )
    (bento / FILE).write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def check() -> None:
    """Raises BuildError where the program is missing."""
    _program()


def _program() -> str:
    path = os.pathsep.join([*map(str, FOLDERS), os.environ.get("PATH", os.defpath)])
    program = shutil.which(PROGRAM, path=path)
    if program is None:
        raise BuildError(f"--sbom needs the program {PROGRAM}: scripts/setup schemas")
    return program
