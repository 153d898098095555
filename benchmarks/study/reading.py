"""A study file read and checked, before anything is started."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks.study.spec import NONE, Study, did_you_mean
from benchmarks.study.text import StudyError, Text, Where, read
from common.errors import StartError
from common.secrets import refuse_secrets
from common.settings import Settings
from services.__main__ import backends

OWN_SETTINGS = {"model": "models", "quantization": "quantization"}
"""Settings that are axes of a study, and the field that has them."""
SECRET = ("api_keys",)


@dataclass(frozen=True)
class Plan:
    """A checked study. `system_prompts` has the text of each, `prompts` the source as it is
    given to a client, and `prompts_hash` that of its file, where it is one."""

    text: Text
    study: Study
    system_prompts: Mapping[str, Path | None]
    prompts: str
    prompts_hash: str | None


def plan(file: Path) -> Plan:
    """Raises StudyError, with a line of text for each problem."""
    text = read(file)
    study = _validated(text)
    problems = list(_problems(text, study))
    if problems:
        raise StudyError("\n".join(map(str, problems)))
    names = {name: _system_prompt(file, name) for name in _all_system_prompts(study)}
    source, path = _prompt_source(file, study.prompts.source)
    digest = file_hash(path) if path is not None else None
    return Plan(text, study, names, source, digest)


SOURCES, SYNTHETIC = ("builtin", "dolly"), "synthetic:"


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _validated(text: Text) -> Study:
    try:
        return Study.model_validate(text.value)
    except ValidationError as error:
        every = error.errors(include_url=False)
        # A list whose items are all wrong is not too short as well.
        found = [
            one
            for one in every
            if one["type"] != "too_short"
            or not any(two["loc"][:-1][: len(one["loc"])] == one["loc"] for two in every)
        ]
        raise StudyError("\n".join(str(_described(text, one)) for one in found)) from None


def _described(text: Text, problem: Mapping[str, Any]) -> StudyError:
    where: Where = problem["loc"]
    context = problem.get("ctx", {})
    if "at" in context:
        where = (*where, context["at"])
    message = str(problem["msg"])
    if problem["type"] == "missing":
        message = "is missing"
    elif problem["type"] == "literal_error":
        allowed = [part.strip(" '") for part in context["expected"].replace(" or ", ",").split(",")]
        message = f"{problem['input']!r} is not known{did_you_mean(problem['input'], allowed)}"
    else:
        message = message[0].lower() + message[1:]
        given = problem["input"]
        if isinstance(given, str | int | float) and "at" not in context:
            message += f", not {given!r}"
    return text.error(where, message)


def _problems(text: Text, study: Study) -> Iterator[StudyError]:
    yield from _setting_problems(text, ("settings",), study.settings)
    known = backends()
    names: dict[str, int] = {}
    for index, target in enumerate(study.backends):
        here: Where = ("backends", index)
        if target.backend is not None and target.backend not in known:
            message = f"{target.backend!r} is no backend{did_you_mean(target.backend, known)}"
            yield text.error((*here, "backend"), message)
        if target.name in names:
            yield text.error(
                here, f"is the second one that is named {target.name!r}: give it a 'label'"
            )
        names[target.name] = index
        yield from _setting_problems(text, (*here, "settings"), target.settings)
        if target.users is not None and study.load.mode != "closed":
            yield text.error((*here, "users"), f"the mode {study.load.mode!r} takes no users")
    yield from _file_problems(text, study)


def _setting_problems(
    text: Text, where: Where, settings: Mapping[str, Any]
) -> Iterator[StudyError]:
    known = [name for name in Settings.model_fields if name not in (*OWN_SETTINGS, *SECRET)]
    for name, value in settings.items():
        here = (*where, name)
        if name in OWN_SETTINGS:
            yield text.error(here, f"is given by the field {OWN_SETTINGS[name]!r} of the study")
        elif name in SECRET:
            yield text.error(here, "is a secret: set the variable API_KEYS when you start")
        elif name not in known:
            yield text.error(here, f"is no setting{did_you_mean(name, known)}")
        elif value is not None:
            try:
                refuse_secrets(Settings(**{name: value}))
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                yield text.error(here, f"{message[0].lower()}{message[1:]}, not {value!r}")
            except StartError as error:
                reason = str(error).partition(";")[0].replace("cannot be baked in", "stays out")
                yield text.error(here, f"{reason}: a study file is passed around")


def _file_problems(text: Text, study: Study) -> Iterator[StudyError]:
    prompts = _prompt_source(text.file, study.prompts.source)[1]
    source = study.prompts.source
    if prompts is None and source not in SOURCES and not source.startswith(SYNTHETIC):
        message = f"{source!r} is no source{did_you_mean(source, (*SOURCES, 'synthetic:TOKENS'))}"
        yield text.error(("prompts",), f"{message}, sharegpt:FILE, FILE.jsonl")
    if prompts is not None and not prompts.is_file():
        yield text.error(("prompts",), f"there is no file {str(prompts)!r}")
    places: list[tuple[Where, tuple[str, ...]]] = [((), study.system_prompt)]
    for index, target in enumerate(study.backends):
        places.append((("backends", index), target.system_prompt or ()))
    for where, names in places:
        for name in names:
            path = _system_prompt(text.file, name)
            if path is not None and not path.is_file():
                yield text.error(
                    (*where, "system_prompt"),
                    f"there is no file {str(path)!r}; allowed are: {NONE}, a file",
                )


def _all_system_prompts(study: Study) -> Iterator[str]:
    yield from study.system_prompt
    for target in study.backends:
        yield from target.system_prompt or ()


def _system_prompt(study_file: Path, name: str) -> Path | None:
    return None if name == NONE else study_file.parent / name


def _prompt_source(study_file: Path, source: str) -> tuple[str, Path | None]:
    """The source for a client, whose directory is another one, and its file if it has one."""
    prefix, colon, rest = source.rpartition(":")
    if prefix == "sharegpt":
        path = study_file.parent / rest
    elif not colon and source.endswith((".jsonl", ".json")):
        path = study_file.parent / source
    else:
        return source, None
    return f"{prefix}{colon}{path.resolve()}", path
