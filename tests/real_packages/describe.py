"""Signatures of an installed package, from its source and, where it can be imported, at run time.

Run by a Python that has the package: describe.py CONTRACT prints JSON, by the contract's targets.
"""

import ast
import enum
import importlib
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGES = Path(sysconfig.get_path("purelib"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Parameter = tuple[str, str, str | None]


def from_source(target: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Of the file, or all the files of the folder, that the contract names."""
    path = PACKAGES / entry["file"]
    if path.is_dir():
        trees = [ast.parse(file.read_text("utf-8")) for file in sorted(path.glob("*.py"))]
        classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
        return {"fields": dict(field for node in classes for field in fields_of(node, []))}
    tree = ast.parse(path.read_text("utf-8"))
    node: Any = tree
    for name in target.partition(":")[2].split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == name)
    if isinstance(node, ast.ClassDef):
        return class_of(node, tree.body)
    return {
        "type": "async def" if isinstance(node, ast.AsyncFunctionDef) else "def",
        "parameters": list(parameters_of(node.args)),
    }


def class_of(node: ast.ClassDef, around: list[ast.stmt]) -> dict[str, Any]:
    members = {
        child.targets[0].id: ast.unparse(child.value)
        for child in node.body
        if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name)
    }
    description: dict[str, Any] = {
        "fields": dict(fields_of(node, around)),
        "members": members,
        "methods": [
            c.name for c in node.body if isinstance(c, ast.FunctionDef | ast.AsyncFunctionDef)
        ],
    }
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            description["init"] = list(parameters_of(child.args))
    return description


def fields_of(node: ast.ClassDef, around: list[ast.stmt]) -> Iterator[tuple[str, str | None]]:
    """Also those of bases in the same file."""
    bases = {ast.unparse(base) for base in node.bases}
    for base in around:
        if isinstance(base, ast.ClassDef) and base.name in bases:
            yield from fields_of(base, around)
    for child in node.body:
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            yield child.target.id, text(child.value)


def text(default: ast.expr | None) -> str | None:
    return None if default is None else ast.unparse(default)


def parameters_of(arguments: ast.arguments) -> Iterator[Parameter]:
    plain = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    for argument, default in zip(plain, defaults, strict=True):
        if argument.arg not in ("self", "cls"):
            yield argument.arg, "positional_or_keyword", text(default)
    if arguments.vararg:
        yield "*" + arguments.vararg.arg, "var_positional", None
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument.arg, "keyword_only", text(default)
    if arguments.kwarg:
        yield "**" + arguments.kwarg.arg, "var_keyword", None


def at_run_time(target: str) -> list[str] | None:
    """Names of parameters, fields or members; None where it cannot be imported or asked."""
    module, _, path = target.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
        if isinstance(value, enum.EnumMeta):
            return list(value.__members__)
        if hasattr(value, "model_fields"):
            return list(value.model_fields)
        parameters = inspect.signature(value).parameters.values()
    except Exception:
        return None
    return [marked(p) for p in parameters if p.name not in ("self", "cls")]


def marked(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    return next((s for kind, s in stars.items() if kind is parameter.kind), "") + parameter.name


def main(contract: Path) -> None:
    objects = json.loads(contract.read_text("utf-8"))["objects"]
    described = {
        target: {"source": from_source(target, entry), "run time": at_run_time(target)}
        for target, entry in objects.items()
    }
    print(json.dumps(described))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
