"""An output that is there whole or not at all."""

import os
from pathlib import Path

import pytest

from modelport.errors import ModelportError
from modelport.files.draft import Draft, Stream, output_at


@pytest.fixture(params=["nameless", "hidden"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Drafts as file systems allow them: without a name, or with a hidden one."""
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE")
    return str(request.param)


def test_nothing_is_seen_before_the_commit(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    target.chmod(0o640)
    draft = Draft(str(target))
    draft.file.write(b"new")
    draft.file.flush()
    assert target.read_text() == "old"
    draft.commit()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["out"]


def test_a_new_file_appears_with_the_usual_permissions(tmp_path: Path, kind: str) -> None:
    draft = Draft(str(tmp_path / "out"))
    draft.commit()
    (tmp_path / "usual").touch()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_discarded_draft_leaves_nothing(tmp_path: Path, kind: str) -> None:
    draft = Draft(str(tmp_path / "out"))
    draft.file.write(b"new")
    draft.discard()
    assert os.listdir(tmp_path) == []


def test_a_symbolic_link_stays_one(tmp_path: Path, kind: str) -> None:
    (tmp_path / "link").symlink_to("file")
    draft = Draft(str(tmp_path / "link"))
    draft.file.write(b"new")
    draft.commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelportError, match="out cannot be written: No such file") as caught:
        output_at(str(tmp_path / "nowhere" / "out"))
    assert caught.value.code == "IO_ERROR"
    with pytest.raises(ModelportError, match="is a folder"):
        output_at(str(tmp_path))


def test_a_device_is_written_as_it_comes() -> None:
    output = output_at("/dev/full")
    assert isinstance(output, Stream)
    output.file.write(b"anything")
    with pytest.raises(ModelportError, match="No space left on device"):
        output.commit()
    output.discard()
