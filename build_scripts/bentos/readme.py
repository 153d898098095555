"""The README of a bento: what it holds, and how its image is run."""

from build_scripts.bentos.table import CACHE, Bento

HEALTH = (
    "python -c 'import urllib.request as r; "
    'r.urlopen("http://127.0.0.1:3000/readyz", timeout=10)\''
)
START_PERIOD, DRAIN = 1800, 90
"""Seconds: a first start downloads and compiles; drain_timeout and the engine's end."""


def readme(bento: Bento) -> str:
    """Of the bento without variants."""
    blocks = [_what(bento), _build(bento), _run(bento), _settings(bento)]
    return "\n\n".join(blocks) + "\n"


def _what(bento: Bento) -> str:
    kind = "the engine's own image" if bento.packaging.image else "slim Python"
    engine = bento.engine
    return f"""<!-- Made by python -m build_scripts.bentos --write. -->
# {bento.name}

{engine.title} {engine.release} ({engine.interface}) behind the API of this repository.

| | |
|---|---|
| service | `{bento.target}` |
| base image | `{bento.image}`, {kind} |
| Python | {bento.packaging.python} |
| packages | [requirements.txt](requirements.txt) |
| model | the demo model, unless one is named |
| runs as | user `bentoml`, uid 1034 |"""


def _build(bento: Bento) -> str:
    return f"""## Build

```sh
scripts/bento {bento.backend} --arg max_model_len=4096
bentoml containerize {bento.name}:latest -t {bento.name}
```

`--arg` bakes a setting in and shows it in the bento's labels. `--arg model=` takes a hub id, which
is fetched at the first start, or the tag of a model in the BentoML store, which then travels in the
bento. Keys and tokens are not baked."""


def _run(bento: Bento) -> str:
    packaging = bento.packaging
    flags = ["--rm", "-p 3000:3000", *(["--gpus all"] if packaging.gpu else [])]
    flags += [f"--shm-size {packaging.shm}"] if packaging.shm else []
    flags += [f"-v {bento.name}-cache:{CACHE}", "-e HF_TOKEN", "-e MODEL=org/name"]
    flags += [f"--stop-timeout {DRAIN}"]
    flags += [f'--health-cmd "{_escaped(HEALTH)}"', f"--health-start-period {START_PERIOD}s"]
    lines = " \\\n  ".join(["docker run", *flags, bento.name])
    return f"""## Run

```sh
{lines}
```

- The volume keeps {packaging.cache} (`{CACHE}`): a second start finds them.
- `-e HF_TOKEN` hands on the token of your shell, for models that are not open to all. It is in no
  layer of the image.
- Health has to be asked for here: BentoML's Dockerfile has no place for a `HEALTHCHECK`."""


def _escaped(command: str) -> str:
    return command.replace('"', '\\"')


def _settings(bento: Bento) -> str:
    lines = ["## Settings", "", "Every setting is a variable too, and wins over what was baked in:"]
    lines += ["`docker run -e MAX_MODEL_LEN=8192 …`. The table is in the README of the repository."]
    return "\n".join(lines)
