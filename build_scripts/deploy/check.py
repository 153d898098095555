"""Everything about a deployment that can be wrong before anything is built or sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from build_scripts.deploy.document import Document
from build_scripts.deploy.effective import (
    baked_settings,
    check_instance,
    check_needs,
    check_settings,
    effective_settings,
)
from build_scripts.deploy.errors import DeployError
from build_scripts.deploy.fit import check_paths, check_travels, fit
from build_scripts.deploy.instances import instance
from build_scripts.deploy.rules import check_rules
from build_scripts.deploy.schema import check_schema
from build_scripts.deploy.target import Target


def check_document(
    document: Document,
    target: Target,
    arguments: Mapping[str, Any],
    needs: Sequence[str],
    *,
    look_at_model: bool = True,
) -> str | None:
    """`arguments` are the settings in the bento, `needs` the variables it has to be given.

    Gives the plan in a sentence, where there is one. Raises DeployError for the first thing that
    is wrong.
    """
    check_schema(document)
    check_rules(document, target.service)
    check_needs(document, target.service, needs, None)
    settings = effective_settings(document, target, arguments)
    check_settings(document, target.service, settings)
    check_paths(settings)
    check_travels(settings, baked_settings(arguments))
    place = instance(document.get("services", target.service, "instance_type"))
    check_instance(document, target, settings, place)
    if not look_at_model:
        return None
    try:
        return fit(target.engine, settings, place)
    except DeployError as error:
        where = ("services", target.service, "instance_type")
        raise document.error(
            where, f"instance_type: {place.name!r}: {error} (--no-fit does not ask)"
        ) from None
