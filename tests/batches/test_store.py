"""What is on disk belongs to one service, and comes back as it was."""

import io
from pathlib import Path

import pytest

from common.batches.store import Batch, Store
from common.errors import NotFound, StartError


def test_a_folder_in_use_stops_a_second_start(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "folder")
    with pytest.raises(StartError, match="is in use by another service"):
        Store(tmp_path / "new" / "folder")
    store.close()
    Store(tmp_path / "new" / "folder").close()


def test_a_folder_that_is_none_and_a_damaged_file_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be used"):
        Store(tmp_path / "file")
    (tmp_path / "batch_1.json").write_text("{")
    with pytest.raises(StartError, match=r"batch_1\.json is damaged"):
        Store(tmp_path)


def test_a_later_store_has_what_an_earlier_one_had(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = store.add_file("alice", "a.jsonl", "batch", io.BytesIO(b"one\n"))
    batch = Batch("batch_1", "alice", file.id, "/v1/completions", {"a": "b"}, 5)
    batch.enter("in_progress")
    store.save(batch)
    store.close()
    later = Store(tmp_path)
    assert later.files("alice") == [file]
    assert later.content(file.id).read_bytes() == b"one\n"
    assert later.batch("batch_1", "alice") == batch
    assert later.unfinished() == [batch]
    with pytest.raises(NotFound):
        later.batch("batch_1", None)
    later.delete_file(file)
    later.close()
    assert [path.name for path in tmp_path.glob("file-*")] == []


def test_a_list_is_made_while_files_are_added(tmp_path: Path) -> None:
    store = Store(tmp_path)

    class Uploading(str):
        """An owner who adds a file for each of the others that is looked at."""

        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            store.add_file("bob", "b.jsonl", "batch", io.BytesIO())
            return str(self) == other

    files = [store.add_file("alice", "a.jsonl", "batch", io.BytesIO()) for _ in range(3)]
    assert {file.id for file in store.files(Uploading("alice"))} == {file.id for file in files}
    assert len(store.files("bob")) == 3
    store.close()
