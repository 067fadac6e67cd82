"""The bytes of a package follow from its content alone."""

import io
import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from modelport.errors import InvalidInput
from modelport.package import archive


def made(files: dict[str, archive.Content]) -> bytes:
    output = io.BytesIO()
    archive.write(output, files, {name: archive.facts_of(content) for name, content in files.items()})
    return output.getvalue()


def test_order_dates_and_modes_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1" * 3000)
    (tmp_path / "other").write_bytes(b"1" * 3000)
    os.utime(tmp_path / "other", (0, 0))
    (tmp_path / "other").chmod(0o700)
    first = made({"b": tmp_path / "one", "a": b"2"})
    assert first == made({"a": b"2", "b": tmp_path / "other"})
    with ZipFile(io.BytesIO(first)) as found:
        assert found.namelist() == ["a", "b"]
        assert {entry.date_time for entry in found.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert found.read("b") == b"1" * 3000


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    facts = {"file": archive.facts_of(path)}
    path.write_bytes(b"after!")
    with pytest.raises(InvalidInput, match="file changed while it was packed"):
        archive.write(io.BytesIO(), {"file": path}, facts)
