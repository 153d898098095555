"""What was proved of each backend on a machine, as `scripts/prove` writes it into services/proofs.

A file there has a table `cpu`, a table `gpu`, or both; each is the last proof on such a machine.
"""

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).with_name("proofs")
Kind = Literal["cpu", "gpu"]
SHORT = 8
"""Digits of a commit that is shown."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One run of `scripts/prove`. `release` is that which the adapter was written for then, and
    `engine` what was installed; `tests` passed, and `failed` names the steps that did not."""

    release: str
    engine: str
    machine: str
    date: str
    commit: str
    tests: int
    failed: list[str]

    def cell(self, release: str) -> str:
        """Returns it for the table of backends, whose adapter is for `release` now."""
        of = "" if self.release == release else f", by the adapter for {self.release}"
        passed = f"{self.tests} tests passed"
        if self.failed:
            passed += f"; failed: {', '.join(self.failed)}"
        return (
            f"{self.engine} on {self.machine}, {self.date}, commit {self.commit[:SHORT]}{of}: "
            f"{passed}"
        )


def read_proofs(backend: str, folder: Path = FOLDER) -> dict[str, Proof]:
    """Returns the proofs of a backend by the kind of machine; none without a file."""
    try:
        text = (folder / f"{backend}.toml").read_text("utf-8")
    except FileNotFoundError:
        return {}
    return {kind: Proof(**values) for kind, values in tomllib.loads(text).items()}


def write_proof(backend: str, kind: Kind, proof: Proof, folder: Path = FOLDER) -> Path:
    """Puts a proof in the place of the last one on such a machine. Returns the file's path."""
    proofs = read_proofs(backend, folder) | {kind: proof}
    tables = (
        f"[{name}]\n"
        # A string or list of strings in JSON is the same in TOML.
        + "".join(
            f"{field} = {json.dumps(value, ensure_ascii=False)}\n"
            for field, value in asdict(each).items()
        )
        for name, each in sorted(proofs.items())
    )
    folder.mkdir(exist_ok=True)
    file = folder / f"{backend}.toml"
    file.write_text("\n".join(tables), "utf-8")
    return file
