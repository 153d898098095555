"""Writes the files of a bento into bentos/<backend>/, or says how they disagree."""

from build_scripts.bentos import requirements
from build_scripts.bentos.bentofile import bentofile, setup_script
from build_scripts.bentos.deployment_yaml import deployment_yaml
from build_scripts.bentos.readme import readme
from build_scripts.bentos.table import ROOT, Bento

DEFAULT_BACKEND = "vllm"
"""The backend of the bentofile.yaml in the root."""


def texts(bento: Bento) -> dict[str, str]:
    """Returns each file's text by its path from the root, without requirements.txt: that one is
    checked, not compared."""
    path = bento.file("bentofile.yaml")
    files = {
        path: bentofile(bento, f"bentoml build -f {path}, from the root of the repository."),
        bento.file("setup.sh"): setup_script(bento),
        bento.file("README.md"): readme(bento),
    }
    if not bento.variant:
        files[bento.file("deployment.yaml")] = deployment_yaml(bento)
    if bento.backend == DEFAULT_BACKEND and not bento.variant:
        files["bentofile.yaml"] = bentofile(bento, "The default bento: bentoml build, from here.")
    return files


def disagreements(bento: Bento) -> list[str]:
    """Returns a line for everything in bentos/ that is not as it would be made."""
    lines = [
        f"{name} is not what --write makes"
        for name, text in texts(bento).items()
        if not (ROOT / name).exists() or (ROOT / name).read_text("utf-8") != text
    ]
    name = bento.file("requirements.txt")
    pins = (ROOT / name).read_text("utf-8") if (ROOT / name).exists() else ""
    return lines + [f"{name}: {line}" for line in requirements.disagreements(bento, pins)]


def write(bento: Bento, *, lock: bool) -> None:
    """Writes them, requirements.txt only where `lock` asks for it or it disagrees.

    Raises BuildError where requirements cannot be made here.
    """
    pins = ROOT / bento.file("requirements.txt")
    pins.parent.mkdir(parents=True, exist_ok=True)
    if lock or not pins.exists() or requirements.disagreements(bento, pins.read_text("utf-8")):
        pins.write_text(requirements.locked(bento), "utf-8")
    for name, text in texts(bento).items():
        (ROOT / name).write_text(text, "utf-8")
        if name.endswith(".sh"):
            (ROOT / name).chmod(0o755)
