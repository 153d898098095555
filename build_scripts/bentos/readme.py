"""Makes the README of a bento: what it holds, and how its image is run."""

from pathlib import Path

from build_scripts.bentos.container import (
    PROBE_TIMEOUT,
    runs_compiled,
    start_seconds,
    stop_seconds,
)
from build_scripts.bentos.table import CACHE, Bento
from common.settings import Settings

HEALTH = (
    "python -c 'import urllib.request as r; "
    f'r.urlopen("http://127.0.0.1:3000/readyz", timeout={PROBE_TIMEOUT})\''
)
COMPILED = """
`TAG` is what the builder tells that compiled the model for the GPU this runs on, and travels in the
bento: [docs/quantization.md](../../docs/quantization.md).
"""
BAKED = """
`--arg` bakes a setting in and shows it in the bento's labels. `--arg model=` takes a hub id, which
is fetched at the first start, or the tag of a model in the BentoML store, which then travels in the
bento. Keys and tokens are not baked."""
SETTINGS = """## Settings

Every setting is a variable too, and wins over what was baked in:
`docker run -e MAX_MODEL_LEN=8192 …`. The table is in the README of the repository."""


def readme(bento: Bento) -> str:
    """Returns the text of README.md."""
    blocks = [_head(bento), _build(bento), _run(bento), SETTINGS]
    return "\n\n".join(blocks) + "\n"


def _head(bento: Bento) -> str:
    kind = "the engine's own image" if bento.packaging.image else "slim Python"
    engine, pins = bento.engine, Path(bento.file("requirements.txt")).name
    model = "the demo model, unless one is named"
    if runs_compiled(engine):
        model = "what was compiled for the GPU: `engine_dir`"
    return f"""<!-- Made by python -m build_scripts.bentos --write. -->
# {bento.name}

{engine.title} {bento.release} ({engine.interface}) behind the API of this repository.

| | |
|---|---|
| service | `{bento.target}` |
| base image | `{bento.image}`, {kind} |
| Python | {bento.packaging.python} |
| packages | [{pins}]({pins}) |
| model | {model} |
| runs as | user `bentoml`, uid 1034 |"""


def _build(bento: Bento) -> str:
    words = [bento.backend, *([f"--{bento.variant}"] if bento.variant else [])]
    given, first = (
        ("engine_dir=TAG", COMPILED) if runs_compiled(bento.engine) else ("max_model_len=4096", "")
    )
    return f"""## Build

```sh
scripts/bento {" ".join(words)} --arg {given}
bentoml containerize {bento.name}:latest -t {bento.name}
```
{first}{BAKED}"""


def _run(bento: Bento) -> str:
    packaging, defaults = bento.packaging, Settings()
    flags = ["--rm", "-p 3000:3000", *(["--gpus all"] if packaging.gpu else [])]
    flags += [f"--shm-size {packaging.shm}"] if packaging.shm else []
    flags += [f"-v {bento.name}-cache:{CACHE}", "-e API_KEYS", "-e HF_TOKEN"]
    flags += [] if runs_compiled(bento.engine) else ["-e MODEL=org/name"]
    flags += [f"--stop-timeout {stop_seconds(defaults)}", f'--health-cmd "{_escaped(HEALTH)}"']
    flags += [f"--health-timeout {PROBE_TIMEOUT}s"]
    flags += [f"--health-start-period {start_seconds(defaults)}s"]
    lines = " \\\n  ".join(["docker run", *flags, bento.name])
    return f"""## Run

```sh
{lines}
```

- The volume keeps {packaging.cache} (`{CACHE}`): a second start finds them.
- `-e API_KEYS` hands on the keys of your shell that clients have to send, separated by commas.
  Without any, whoever reaches the port is served.
- `-e HF_TOKEN` hands on the token of your shell, for models that are not open to all. Neither is in
  a layer of the image.
- Health has to be asked for here: BentoML's Dockerfile has no place for a `HEALTHCHECK`."""


def _escaped(command: str) -> str:
    return command.replace('"', '\\"')
