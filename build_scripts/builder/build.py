"""Builds an artifact into the store by a recipe; nothing is built twice."""

import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from build_scripts.builder.address import Address, Gpu, address
from build_scripts.builder.errors import BuildError
from build_scripts.builder.publish import file_entries, publish
from build_scripts.builder.recipe import Recipe
from build_scripts.builder.run import run_steps
from build_scripts.builder.source import Source
from build_scripts.builder.workshop import check_space, log_file, workspace
from common.errors import StartError
from common.models.artifacts import Artifact, Manifest, by_tag, store_directory
from common.models.gpu import visible_gpus

MARGIN = 1.05
"""The bytes of disk that have to be free for each byte that a recipe asks for."""


def build(
    recipe: Recipe, source: Source, arguments: Sequence[str], *, again: bool = False
) -> Artifact:
    """Returns what the same inputs made before, or builds it; `again` builds in any case.

    `arguments` are those of the command line. Raises BuildError.
    """
    recipe.check(source)
    tools, gpu = recipe.tools(), _gpu(recipe)
    target = address(recipe, source, tools, gpu)
    existing = by_tag(target.tag)
    if existing is not None and not again:
        print(f"{target.tag} is there already: {existing.path}", flush=True)
        _print_use(existing.manifest)
        return existing
    store = store_directory()
    check_space(store, int(recipe.needed_bytes(source) * MARGIN))
    log = log_file(store, target)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    with workspace(store, target) as space:
        print(f"building {target.tag}; the log is {log}", flush=True)
        run_steps(recipe.steps(source, space.output, space.scratch), log)
        results = recipe.finish(source, space.output)
        manifest = Manifest(
            kind=recipe.kind,
            builder=recipe.module,
            command=shlex.join(["python", "-m", recipe.module, *arguments]),
            model=source.model,
            revision=source.revision,
            fingerprint=source.fingerprint,
            scheme=recipe.scheme,
            arguments=recipe.arguments,
            tools=tools,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            gpu=gpu.name if gpu else None,
            compute_capability=gpu.compute_capability if gpu else None,
            files=file_entries(space.output),
            results=results,
        )
        path = publish(store, target, space.output, manifest)
    print(f"built {target.tag} in {time.monotonic() - began:.0f} s: {path}", flush=True)
    _print_use(manifest)
    return Artifact(target.tag, path, manifest)


def _print_use(manifest: Manifest) -> None:
    """Prints how it is served, where the builder says it."""
    for line in manifest.results.get("serve", ()):
        print(f"serve it with: {line}", flush=True)


def show(recipe: Recipe, source: Source) -> None:
    """Prints what `build` would do: the commands, the disk it needs, the address.

    Raises BuildError for what cannot work.
    """
    recipe.check(source)
    for number, step in enumerate(recipe.steps(source, Path("OUTPUT"), Path("SCRATCH")), 1):
        print(f"{number}. {step.title}:\n   {step.line}")
    if not source.weight_bytes:
        print("result: its tag, and the disk it needs, follow from the weights, which are not here")
        return
    print(f"disk: up to {recipe.needed_bytes(source) / 1e9:.2f} GB in {store_directory()}")
    try:
        target: Address = address(recipe, source, recipe.tools(), _gpu(recipe))
    except BuildError as error:
        print(f"cannot be built here: {error}", file=sys.stderr)
    else:
        print(f"result: {target.tag}" + (" (is there already)" if by_tag(target.tag) else ""))


def _gpu(recipe: Recipe) -> Gpu | None:
    if not recipe.for_one_gpu:
        return None
    try:
        gpu = visible_gpus("the kind that will serve it")[0]
    except StartError:
        raise BuildError(
            "there is no GPU here; build on a machine with a GPU of the kind that will serve the "
            "result"
        ) from None
    return Gpu(gpu.name, gpu.compute_capability)
