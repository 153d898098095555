"""A study file read and checked, before anything is started."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks.load.spec import LoadFailed, PromptSelection, did_you_mean
from benchmarks.load_generators.aiperf.command import check_supported
from benchmarks.prompts import BadPrompts, PromptSet
from benchmarks.prompts.builtin import FILE as BUILTIN_FILE
from benchmarks.prompts.builtin import NAME as BUILTIN
from benchmarks.prompts.sources import SYNTHETIC, TRACE, WORKLOAD
from benchmarks.prompts.traces import read_trace
from benchmarks.prompts.workloads import workloads
from benchmarks.quality.tasks import BadDocuments, QualityTask, documents
from benchmarks.study.spec import NONE, StudyFile, StudyTarget
from benchmarks.study.yaml_text import StudyError, StudyText, read_yaml
from common.errors import StartError
from common.secrets import refuse_secrets
from common.settings import MAY_BE_SECRET, Settings
from common.yaml_lines import KeyPath
from services._backends import backends

AXES = {"model": "models", "quantization": "quantization"}
"""Settings that are axes of a study, and the field that has them."""
SECRET = ("api_keys",)
SOURCES = (BUILTIN, "dolly")
MADE = ("synthetic:TOKENS", *(f"{WORKLOAD}{name}" for name in workloads()))


@dataclass(frozen=True)
class StudyPlan:
    """A checked study. `system_prompts` has the text of each by its name in the file; `prompts` is
    the study's, and `quality` its tasks, with files named for a client, whose directory is another
    one; `prompts_hash` is that of the prompts' file, where they have one."""

    text: StudyText
    study: StudyFile
    system_prompts: Mapping[str, str | None]
    prompts: PromptSelection
    prompts_hash: str | None
    quality: tuple[QualityTask, ...]


def plan(file: Path) -> StudyPlan:
    """Returns the study of the file. Raises StudyError, with a line for each mistake."""
    text = read_yaml(file)
    study = _validated(text)
    mistakes = list(_mistakes(text, study))
    if mistakes:
        raise StudyError("\n".join(map(str, mistakes)))
    builtin = study.prompts.source == BUILTIN
    path = BUILTIN_FILE if builtin else _prompt_file(file, study.prompts.source)
    return StudyPlan(
        text,
        study,
        {name: _system_prompt(file, name) for _, name in _system_prompts(study)},
        _prompts(file, study.prompts),
        None if path is None else hashlib.sha256(path.read_bytes()).hexdigest(),
        tuple(_quality_tasks(file, study)),
    )


def _validated(text: StudyText) -> StudyFile:
    try:
        return StudyFile.model_validate(text.value)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise StudyError(
            "\n".join(
                str(_described(text, problem))
                for problem in problems
                if not _follows_from_another(problem, problems)
            )
        ) from None


def _follows_from_another(problem: Mapping[str, Any], problems: list[Any]) -> bool:
    """Returns whether it is one only because of another: a default that needs a wrong field, or a
    list that is too short as all of its items are wrong."""
    if problem["type"] == "default_factory_not_called":
        return True
    path = problem["loc"]
    return problem["type"] == "too_short" and any(
        other["loc"][:-1][: len(path)] == path for other in problems
    )


def _described(text: StudyText, problem: Mapping[str, Any]) -> StudyError:
    path: KeyPath = problem["loc"]
    context = problem.get("ctx", {})
    message, given = str(problem["msg"]), problem["input"]
    if "text" in context:
        return text.error((*path, context["at"]) if "at" in context else path, message)
    if problem["type"] == "missing":
        return text.error(path, "is missing")
    if problem["type"] == "literal_error":
        allowed = [part.strip(" '") for part in context["expected"].replace(" or ", ",").split(",")]
        return text.error(path, f"{given!r} is not known{did_you_mean(given, allowed)}")
    shown = f", not {given!r}" if isinstance(given, str | int | float) else ""
    return text.error(path, f"{message[0].lower()}{message[1:]}{shown}")


def _mistakes(text: StudyText, study: StudyFile) -> Iterator[StudyError]:
    yield from _setting_mistakes(text, ("settings",), study.settings)
    known = backends()
    names: set[str] = set()
    for index, target in enumerate(study.backends):
        path: KeyPath = ("backends", index)
        if target.backend is not None and target.backend not in known:
            message = f"{target.backend!r} is no backend{did_you_mean(target.backend, known)}"
            yield text.error((*path, "backend"), message)
        if target.name in names:
            yield text.error(
                path, f"is the second one that is named {target.name!r}: give it a 'label'"
            )
        names.add(target.name)
        yield from _setting_mistakes(text, (*path, "settings"), target.settings)
        yield from _model_mistakes(text, study, target, path)
        if target.key_variable is not None and not os.environ.get(target.key_variable):
            message = f"the environment variable {target.key_variable} is not set"
            yield text.error((*path, "key_variable"), message)
    yield from _load_mistakes(text, study)
    yield from _file_mistakes(text, study)
    yield from _quality_mistakes(text, study)


def _model_mistakes(
    text: StudyText, study: StudyFile, target: StudyTarget, path: KeyPath
) -> Iterator[StudyError]:
    """Yields the quantizations for which a model with several checkpoints has none."""
    own = path if target.models is not None or target.quantization is not None else ()
    schemes = target.quantization or study.quantization
    for model in target.models or study.models:
        if isinstance(model.model, dict):
            lacking = [scheme for scheme in schemes if scheme not in model.model]
            if lacking:
                message = f"{model.name} has no checkpoint for {', '.join(lacking)}"
                yield text.error((*own, "models"), message)


def _setting_mistakes(
    text: StudyText, path: KeyPath, settings: Mapping[str, Any]
) -> Iterator[StudyError]:
    known = [name for name in Settings.model_fields if name not in (*AXES, *SECRET)]
    for name, value in settings.items():
        at = (*path, name)
        if name in AXES:
            yield text.error(at, f"is given by the field {AXES[name]!r} of the study")
        elif name in SECRET:
            yield text.error(at, "is a secret: set the variable API_KEYS when you start")
        elif name not in known:
            yield text.error(at, f"is no setting{did_you_mean(name, known)}")
        elif value is not None:
            try:
                refuse_secrets(Settings(**{name: value}))
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                given = "" if name in MAY_BE_SECRET else f", not {value!r}"
                yield text.error(at, f"{message[0].lower()}{message[1:]}{given}")
            except StartError as error:
                reason = str(error).partition(";")[0].replace("cannot be baked in", "stays out")
                yield text.error(at, f"{reason}: a study file is passed around")


def _load_mistakes(text: StudyText, study: StudyFile) -> Iterator[StudyError]:
    """Yields what a client would refuse: of the load itself, else of what targets change in it."""
    if (problem := _load_mistake(study, None)) is not None:
        field, message = problem
        of_study = bool(field) and field[0] in StudyFile.model_fields
        yield text.error(field if of_study else ("load", *field), message)
        return
    for index, target in enumerate(study.backends):
        if (problem := _load_mistake(study, target)) is not None:
            field, message = problem
            own = field[:1] if field and field[0] in target.model_fields_set else ()
            yield text.error(("backends", index, *own), message)


def _load_mistake(study: StudyFile, target: StudyTarget | None) -> tuple[KeyPath, str] | None:
    """Returns the field, if it is of one, and what is wrong."""
    try:
        for spec in study.loads(target):
            if spec.engine == "aiperf":
                check_supported(spec, PromptSet(source="", prompts=()))
    except ValidationError as error:
        problem = error.errors()[0]
        at = problem.get("ctx", {}).get("at")
        return ((at,) if at is not None else problem["loc"]), problem["msg"]
    except LoadFailed as error:
        return ("engine",), str(error)
    return None


def _file_mistakes(text: StudyText, study: StudyFile) -> Iterator[StudyError]:
    source = study.prompts.source
    file = _prompt_file(text.file, source)
    known = source in (*SOURCES, *MADE) or source.startswith(SYNTHETIC)
    if file is None and not known:
        message = f"{source!r} is no source{did_you_mean(source, (*SOURCES, *MADE))}"
        yield text.error(("prompts",), f"{message}, sharegpt:FILE, trace:FILE, FILE.jsonl")
    if file is not None and not file.is_file():
        yield text.error(("prompts",), f"there is no file {str(file)!r}")
    elif file is not None and source.startswith(TRACE):
        try:
            read_trace(file)
        except BadPrompts as error:
            yield text.error(("prompts",), str(error))
    for path, name in _system_prompts(study):
        try:
            _system_prompt(text.file, name)
        except OSError:
            message = f"there is no file {str(text.file.parent / name)!r}"
            yield text.error((*path, "system_prompt"), f"{message}; allowed are: {NONE}, a file")
        except UnicodeDecodeError:
            message = f"{str(text.file.parent / name)!r} is not UTF-8 text"
            yield text.error((*path, "system_prompt"), message)


def _quality_mistakes(text: StudyText, study: StudyFile) -> Iterator[StudyError]:
    for index, task in enumerate(_quality_tasks(text.file, study)):
        path: KeyPath = ("quality", index)
        if task.include is not None and not Path(task.include).is_dir():
            yield text.error((*path, "include"), f"there is no folder {task.include!r}")
        if task.file is None:
            continue
        if not Path(task.file).is_file():
            yield text.error((*path, "file"), f"there is no file {task.file!r}")
            continue
        try:
            documents(task)
        except BadDocuments as error:
            yield text.error((*path, "file"), str(error))


def _quality_tasks(study_file: Path, study: StudyFile) -> Iterator[QualityTask]:
    """Yields the tasks with files and folders named for a client."""
    for task in study.quality:
        paths = {"file": task.file, "include": task.include}
        named = {
            field: str((study_file.parent / path).resolve())
            for field, path in paths.items()
            if path is not None
        }
        yield task.model_copy(update={"name": task.title, **named})


def _system_prompts(study: StudyFile) -> Iterator[tuple[KeyPath, str]]:
    """Yields each that is named, and where."""
    for name in study.system_prompt:
        yield (), name
    for index, target in enumerate(study.backends):
        for name in target.system_prompt or ():
            yield ("backends", index), name


def _system_prompt(study_file: Path, name: str) -> str | None:
    return None if name == NONE else (study_file.parent / name).read_text("utf-8").strip()


def _prompts(study_file: Path, prompts: PromptSelection) -> PromptSelection:
    """Returns the prompts with files and directories named for a client."""
    changes: dict[str, str] = {}
    file = _prompt_file(study_file, prompts.source)
    if file is not None:
        prefix, colon, _ = prompts.source.rpartition(":")
        changes["source"] = f"{prefix}{colon}{file.resolve()}"
    if prompts.tokenizer is not None and (study_file.parent / prompts.tokenizer).is_dir():
        changes["tokenizer"] = str((study_file.parent / prompts.tokenizer).resolve())
    return prompts.model_copy(update=changes)


def _prompt_file(study_file: Path, source: str) -> Path | None:
    """Returns the file of a source that has one."""
    prefix, colon, name = source.rpartition(":")
    if prefix in ("sharegpt", "trace") or (not colon and source.endswith((".jsonl", ".json"))):
        return study_file.parent / name
    return None
