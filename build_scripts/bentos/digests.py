"""Asks the registries for the digests of base images: a tag may be moved, a digest may not."""

import re
import shutil
import subprocess
from collections.abc import Iterable

from build_scripts.bentos.table import Bento
from build_scripts.builder.errors import BuildError
from common.messages import one_line

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMMAND = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")


def pins(listed: Iterable[Bento]) -> str:
    """Returns what to write into bentos/bentos.toml, for the tables of these bentos.

    Raises BuildError where docker is missing or a registry does not answer.
    """
    digests: dict[str, str] = {}
    lines = []
    for bento in listed:
        if bento.image not in digests:
            digests[bento.image] = _digest(bento.image)
        table = f"{bento.backend}.{bento.variant}" if bento.variant else bento.backend
        lines.append(f'[{table}]\npinned = "{bento.image}@{digests[bento.image]}"')
    return "\n".join(lines)


def _digest(image: str) -> str:
    """Returns the digest of the index of all platforms, or of the only one."""
    if shutil.which(COMMAND[0]) is None:
        raise BuildError("docker is missing, by which registries are asked for digests")
    done = subprocess.run([*COMMAND, image], capture_output=True, text=True)
    digest = done.stdout.strip()
    if done.returncode != 0 or not DIGEST.fullmatch(digest):
        raise BuildError(f"no digest of {image}: {one_line(done.stderr or digest)}")
    return digest
