"""The names in the setting `engine_args`, which go to the engine as they are."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from common.errors import StartError
from common.messages import closest

NONE: Mapping[str, str] = MappingProxyType({})


def check_engine_args(
    given: Iterable[str],
    allowed: Collection[str],
    engine: str,
    source: str | None = None,
    reserved: Mapping[str, str] = NONE,
) -> None:
    """Raises StartError for the first name that is `reserved`, or that `engine` does not have.

    `source` says where the allowed names stand; without one they are listed. `reserved` names
    arguments that the service sets, each with the reason or with what sets it.
    """
    for name in given:
        if name in reserved:
            raise StartError(
                f"setting 'engine_args': {name!r} is not for you to set: {reserved[name]}"
            )
        if name not in allowed:
            match = closest(name, allowed)
            hint = f"did you mean {match!r}? " if match else ""
            raise StartError(
                f"setting 'engine_args': {engine} has no argument {name!r}; {hint}"
                f"allowed are {source or ', '.join(sorted(allowed))}"
            )


def check_speculative_args(
    setting: object,
    given: Mapping[str, Any],
    method: str,
    others: Collection[str],
    own: Collection[str | None],
) -> None:
    """Raises StartError for arguments in `given` that say what the setting `speculative` says.

    `setting` is its value. `method` names the drafting method, `others` its model and its tokens;
    `own` are the engine's names of the setting's methods. Another method of the engine's may be
    given, without the setting.
    """
    said = next((name for name in (method, *others) if name in given), None)
    if said and (setting is not None or given.get(method) in own):
        raise StartError(
            f"setting 'engine_args': {said!r} is not for you to set: use the setting 'speculative'"
        )
