"""From a recipe and a model to an artifact in the store; nothing is built twice."""

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
from build_scripts.builder.workshop import check_space, log_file, workshop
from common.errors import StartError
from common.models.artifacts import Artifact, Manifest, by_tag, store_directory
from common.models.gpu import visible_gpus

MARGIN = 1.05
"""Disk to be free per byte that a recipe asks for."""


def build(
    recipe: Recipe, source: Source, arguments: Sequence[str], *, again: bool = False
) -> Artifact:
    """Build, or give what the same inputs made before; `again` builds in any case.

    `arguments` are those of the command line. Raises BuildError.
    """
    recipe.check(source)
    tools, gpu = recipe.tools(), _gpu(recipe)
    place = address(recipe, source, tools, gpu)
    found = by_tag(place.tag)
    if found is not None and not again:
        print(f"{place.tag} is there already: {found.path}", flush=True)
        _tell_use(found.manifest)
        return found
    store = store_directory()
    check_space(store, int(recipe.needed_bytes(source) * MARGIN))
    log = log_file(store, place)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    with workshop(store, place) as shop:
        print(f"building {place.tag}; the log is {log}", flush=True)
        run_steps(recipe.steps(source, shop.output, shop.scratch), log)
        results = recipe.finish(source, shop.output)
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
            files=file_entries(shop.output),
            results=results,
        )
        path = publish(store, place, shop.output, manifest)
    print(f"built {place.tag} in {time.monotonic() - began:.0f} s: {path}", flush=True)
    _tell_use(manifest)
    return Artifact(place.tag, path, manifest)


def _tell_use(manifest: Manifest) -> None:
    """How it is served, where the builder says it."""
    for line in manifest.results.get("serve", ()):
        print(f"serve it with: {line}", flush=True)


def show(recipe: Recipe, source: Source) -> None:
    """What `build` would do, without doing it: the commands, the disk it needs, the address.

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
        place: Address = address(recipe, source, recipe.tools(), _gpu(recipe))
    except BuildError as error:
        print(f"cannot be built here: {error}", file=sys.stderr)
    else:
        print(f"result: {place.tag}" + (" (is there already)" if by_tag(place.tag) else ""))


def _gpu(recipe: Recipe) -> Gpu | None:
    if not recipe.for_one_gpu:
        return None
    try:
        capability, name = visible_gpus("the kind that will serve it")[0]
    except StartError:
        raise BuildError(
            "nvidia-smi finds no GPU here; build on a machine with a GPU of the kind that will "
            "serve the result"
        ) from None
    return Gpu(name, capability)
