"""How large the bentos in the store are, and of what that is made."""

from collections.abc import Collection
from pathlib import Path

from common.command_line import text_table
from common.models.artifacts import store_directory

HEAD = ["bento", "files", "code", "model inside", "model beside", "total"]


def sizes(names: Collection[str] = ()) -> str:
    """Of the bentos with these names, or of all. Bytes in MB (10^6), newest bento first."""
    import bentoml

    found = sorted(bentoml.list(), key=lambda each: each.info.creation_time, reverse=True)
    rows = []
    for bento in found:
        if names and bento.tag.name not in names:
            continue
        files = [file for file in Path(bento.path).rglob("*") if file.is_file()]
        whole = sum(file.stat().st_size for file in files)
        inside = sum(file.stat().st_size for file in files if "demo_model" in file.parts)
        beside = sum(_model_bytes(str(model.tag)) for model in bento.info.all_models)
        sizes = (whole - inside, inside, beside, whole + beside)
        rows.append([str(bento.tag), str(len(files)), *(f"{size / 1e6:.1f} MB" for size in sizes)])
    return text_table([HEAD, *rows])


def _model_bytes(tag: str) -> int:
    folder = store_directory().joinpath(*tag.split(":"))
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
