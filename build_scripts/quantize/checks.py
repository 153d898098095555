"""Refuses models that cannot be quantized, before anything takes long."""

from build_scripts.builder import BuildError, Source
from common.errors import StartError
from common.models.facts import facts_of_directory
from common.models.quantizable import not_quantizable


def check_source(source: Source, *, group_size: int | None, autoawq: bool) -> None:
    """Raises BuildError for a model that is quantized already, or of a kind that is not.

    `group_size` is None for a scheme without groups.
    """
    try:
        facts = facts_of_directory(source.path, source.model)
        reason = not_quantizable(facts, group_size=group_size, autoawq=autoawq)
    except StartError as error:
        raise BuildError(str(error)) from None
    if reason is not None:
        raise BuildError(reason)
    if not (source.path / "tokenizer.json").is_file():
        raise BuildError(
            f"{source.path} has no tokenizer.json; a directory as written by save_pretrained() of "
            "a model and a fast tokenizer is needed"
        )
