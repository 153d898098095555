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

`TAG` names a model in the BentoML model store that was compiled for the GPU on which this will run.
The command that compiled it has printed the tag:
[docs/quantization.md](../../docs/quantization.md)."""
BAKED = """\
The first command packs the service as a bento, BentoML's package format; the second one makes an
image of it. `--arg` builds a setting into the bento and shows it in the bento's labels.
`--arg model=` takes the name of a model on the Hugging Face hub, which the first start downloads,
or the tag of a model in the BentoML model store, which becomes part of the bento. Keys and tokens
are refused."""
SETTINGS = """## Settings

Every setting is also an environment variable, which wins over the settings in the bento:
`docker run -e MAX_MODEL_LEN=8192 …`. The README of the repository has a table of the settings."""


def readme(bento: Bento) -> str:
    """Returns the text of README.md."""
    blocks = [_head(bento), _build(bento), _run(bento), SETTINGS]
    return "\n\n".join(blocks) + "\n"


def _head(bento: Bento) -> str:
    kind = "the engine's own image" if bento.packaging.image else "Python alone"
    if bento.packaging.cuda is not None:
        kind = "with the compiler `nvcc`, by which the engine builds kernels for its GPU"
    engine, pins = bento.engine, Path(bento.file("requirements.txt")).name
    model = "the demo model, unless you name another"
    if runs_compiled(engine):
        model = "a compiled model, named by `engine_dir`"
    return f"""<!-- Made by python -m build_scripts.bentos --write. -->
# {bento.name}

This bento runs {engine.title} behind the API of this repository.

| | |
|---|---|
| engine | {engine.title} {bento.release}, {engine.interface} |
| service | `{bento.target}` |
| base image | `{bento.image}`, {kind} |
| Python | {bento.packaging.python} |
| packages | [{pins}]({pins}) |
| model | {model} |
| runs as | user `bentoml`, uid 1034 |"""


def _build(bento: Bento) -> str:
    words = [bento.backend, *([f"--{bento.variant}"] if bento.variant else [])]
    given, compiled = (
        ("engine_dir=TAG", COMPILED) if runs_compiled(bento.engine) else ("max_model_len=4096", "")
    )
    return f"""## Build

```sh
scripts/bento {" ".join(words)} --arg {given}
bentoml containerize {bento.name}:latest -t {bento.name}
```

{BAKED}{compiled}"""


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

- The volume keeps {packaging.cache} in `{CACHE}`, so a second start is shorter.
- `-e API_KEYS` passes on the variable `API_KEYS` of your shell: the keys that clients have to send,
  separated by commas. Without keys, the service answers everybody who reaches the port.
- `-v /srv/keys:/srv/keys:ro -e API_KEYS_FILE=/srv/keys/keys.toml` adds keys with names and limits
  (docs/operations.md of the repository).
- `-e HF_TOKEN` passes on your token of the Hugging Face hub, for models that are not open to all.
  The image itself contains neither keys nor token.
- The health check is part of this command because BentoML's Dockerfile cannot declare one."""


def _escaped(command: str) -> str:
    return command.replace('"', '\\"')
