"""Contents that come as archives: kept under what is in them, once, whole or not at all, whatever the archive says."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelport.domain.content import archive, content_path, digest_of
from modelport.errors import InvalidInput, NotFound, StoreFailed
from modelport.store.content import ContentStore
from tests.support.saved import ROOT


class Stream(io.RawIOBase):
    """Bytes that come in pieces of their own sizes, as from a network."""

    def __init__(self, parts: Any) -> None:
        self._parts = iter(parts)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._rest = part
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code" / "deep").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "empty").write_bytes(b"")
    (folder / "code" / "deep" / "größe 漢.py").write_text("x = 1\n")
    (folder / "data.bin").write_bytes(os.urandom(3_000_001))
    (folder / ("n" * 90)).mkdir()
    (folder / ("n" * 90) / ("m" * 90)).write_text("a long name")
    return folder


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def tar(*members: tuple[str, bytes | str, bytes], format: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    """(name, bytes of a file or target of a link, type) each."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(content, str):
                member.linkname = content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    made.seek(0)
    return made


FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def left(store_folder: Path) -> list[str]:
    return sorted(path.name for path in store_folder.iterdir()) + sorted(
        p.name for p in (store_folder / "drafts").iterdir()
    )


def test_a_folder_comes_back_as_it_went(store: ContentStore, model: Path, tmp_path: Path) -> None:
    path = store.add(Stream(archive(model)))
    assert path == content_path(model) == f"content://{digest_of(model)}/model"
    assert store.has(path)
    assert tree(store.folder(path)) == tree(model)
    assert all(file.stat().st_mode & 0o777 == 0o444 for file in store.folder(path).rglob("*") if file.is_file())
    again = ContentStore(tmp_path / "another")
    assert again.add(Stream(store.read(path))) == path
    assert b"".join(store.read(path)) == b"".join(archive(model))
    assert store.all() == [path]


def test_a_file_comes_back_as_it_went(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"x" * 1000)
    path = store.add(Stream(archive(tmp_path / "model.pkl")))
    assert path == content_path(tmp_path / "model.pkl")
    assert store.folder(path).read_bytes() == b"x" * 1000
    assert b"".join(store.read(path)) == b"".join(archive(tmp_path / "model.pkl"))


def test_a_file_and_a_folder_around_it_are_two_contents(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x").write_bytes(b"1")
    assert digest_of(tmp_path / "x") != digest_of(tmp_path / "x" / "x")


def test_times_owners_modes_and_empty_folders_do_not_count(model: Path) -> None:
    before, bytes_before = digest_of(model), b"".join(archive(model))
    os.utime(model / "MLmodel", (1, 1))
    (model / "MLmodel").chmod(0o700)
    (model / "nothing").mkdir()
    assert (digest_of(model), b"".join(archive(model))) == (before, bytes_before)
    (model / "empty").rename(model / "empty2")
    assert digest_of(model) != before


def test_the_digest_is_what_is_documented(tmp_path: Path) -> None:
    (tmp_path / "m" / "b").mkdir(parents=True)
    (tmp_path / "m" / "b" / "c").write_text("hello")
    (tmp_path / "m" / "a").write_text("")
    lines = subprocess.run(
        "find . -type f -printf '%P\\n' | while read f; do"
        ' echo "$(sha256sum < $f | cut -c1-64) $(stat -c %s $f) $f"; done | LC_ALL=C sort | sha256sum',
        shell=True,
        cwd=tmp_path / "m",
        capture_output=True,
        text=True,
    )
    assert lines.stdout[:64] == digest_of(tmp_path / "m")


def test_the_same_content_twice_costs_one_copy(store: ContentStore, model: Path, tmp_path: Path) -> None:
    path = store.add(Stream(archive(model)))
    place = store.folder(path)
    before = place.stat().st_ino
    assert store.add(Stream(archive(model))) == path
    assert store.all() == [path]
    assert place.stat().st_ino == before
    assert left(tmp_path / "content") == sorted([place.parent.name, "drafts"])


def test_other_programs_make_archives_too(store: ContentStore, model: Path, tmp_path: Path) -> None:
    """GNU's tar: folders and links among the members, names in its own way, and blocks of 10 KiB."""
    (model / "link").symlink_to("code/deep/../../MLmodel")
    os.link(model / "MLmodel", model / "same")
    paths = set()
    for format in ("gnu", "pax", "ustar"):
        command = ["tar", "-c", f"--format={format}", "model"]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            paths.add(store.add(program.stdout))
        assert program.returncode == 0
    assert paths == {content_path(model)}
    assert tree(store.folder(paths.pop())) == tree(model)


def test_the_archive_is_one_that_other_programs_read(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=b"".join(archive(model)), check=True)
    assert tree(tmp_path / "out" / "model") == tree(model)


def test_links_within_a_folder_travel_as_what_they_lead_to(store: ContentStore, model: Path) -> None:
    (model / "again").symlink_to("MLmodel")
    (model / "more").symlink_to("code")
    path = store.add(Stream(archive(model)))
    kept = store.folder(path)
    assert (kept / "again").read_text() == (model / "MLmodel").read_text()
    assert (kept / "more" / "deep" / "größe 漢.py").exists()
    assert not any(file.is_symlink() for file in kept.rglob("*"))
    assert path == content_path(model)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda model: (model / "out").symlink_to("/etc/passwd"), "leads out of"),
        (lambda model: (model / "out").symlink_to("../other"), "leads out of|not there"),
        (lambda model: (model / "out").symlink_to("nothing"), "a link to what is not there"),
        (lambda model: (model / "code" / "up").symlink_to(".."), "leads to a folder that it lies in"),
        (lambda model: os.mkfifo(model / "pipe"), "neither file nor folder"),
        (lambda model: (model / "a\nb").write_text(""), "line break"),
    ],
)
def test_what_cannot_travel_is_told_before_anything_is_sent(
    model: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(model)
    with pytest.raises(InvalidInput, match=told):
        next(archive(model))
    with pytest.raises(InvalidInput, match=told):
        digest_of(model)


def test_what_is_not_there_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        digest_of(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="holds no file"):
        next(archive(tmp_path))


BAD: dict[str, tuple[Any, str]] = {
    "absolute": ([("/etc/evil", b"1", FILE)], "cannot be kept: its name leads out"),
    "parent": ([("m/../../evil", b"1", FILE)], "cannot be kept: its name leads out"),
    "parent within": ([("m/x/../y", b"1", FILE)], "cannot be kept: its name leads out"),
    "only parent": ([("..", b"1", FILE)], "cannot be kept: its name leads out"),
    "a folder that leads out": ([("m/a", b"1", FILE), ("../x", b"", FOLDER)], "cannot be kept: its name leads out"),
    "link out": ([("m/a", b"1", FILE), ("m/b", "../../a", LINK)], "link 'm/b' leads out of it"),
    "link to the root": ([("m/a", b"1", FILE), ("m/b", "/etc/passwd", LINK)], "link 'm/b' leads out of it"),
    "link beside": ([("m/a", b"1", FILE), ("m/b", "../n/a", LINK)], "link 'm/b' leads out of it"),
    "hard link out": ([("m/a", b"1", FILE), ("m/b", "/etc/passwd", HARD)], "link 'm/b' leads out of it"),
    "link to nothing": ([("m/a", b"1", FILE), ("m/b", "c", LINK)], "leads to no file of it"),
    "links in a ring": ([("m/a", "b", LINK), ("m/b", "a", LINK)], "leads to no file of it"),
    "through a link": ([("m/a", "/tmp", LINK), ("m/a/b", b"1", FILE)], "leads out of it"),
    "through a link within": (
        [("m/b/c", b"1", FILE), ("m/a", "b", LINK), ("m/a/d", b"2", FILE)],
        "leads to no file|kept",
    ),
    "device": ([("m/a", b"1", FILE), ("m/null", b"", tarfile.CHRTYPE)], "of a kind that cannot be kept"),
    "disk": ([("m/sda", b"", tarfile.BLKTYPE)], "of a kind that cannot be kept"),
    "pipe": ([("m/pipe", b"", tarfile.FIFOTYPE)], "of a kind that cannot be kept"),
    "sparse": ([("m/a", b"", tarfile.GNUTYPE_SPARSE)], "of a kind that cannot be kept"),
    "two folders": ([("m/a", b"1", FILE), ("n/a", b"1", FILE)], "one folder or one file is wanted"),
    "two files": ([("a", b"1", FILE), ("b", b"1", FILE)], "one folder or one file is wanted"),
    "twice": ([("m/a", b"1", FILE), ("m/a", b"2", FILE)], "File exists"),
    "file and folder": ([("m/a", b"1", FILE), ("m/a/b", b"2", FILE)], "File exists|Not a directory"),
    "folder and file": ([("m/a/b", b"1", FILE), ("m/a", b"2", FILE)], "File exists|Is a directory"),
    "no file": ([("m", b"", FOLDER)], "holds no file"),
    "nothing": ([], "holds no file"),
    "no name": ([(".", b"1", FILE)], "has no name"),
    "line break": ([("m/a\nb", b"1", FILE)], "cannot be kept: its name"),
    "long name": ([("m/" + "a" * 300, b"1", FILE)], "File name too long"),
    "very long name": ([("m/" + "a/" * 3000 + "b", b"1", FILE)], "cannot be kept: its name"),
    "endless name": ([("m/" + "a" * 70_000, b"1", FILE)], "a name of more than 65536 bytes"),
    "top of no text": ([("\udce4/a", b"1", FILE)], "cannot be kept"),
    "too many files": ([(f"m/{number}", b"", FILE) for number in range(21)], "more than 20 files"),
    "too large": ([("m/a", b"x" * 60_000, FILE), ("m/b", b"x" * 60_000, FILE)], "larger than 100000 bytes"),
}


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("case", BAD)
def test_bad_archives_are_refused_and_leave_nothing(tmp_path: Path, case: str, format: int) -> None:
    store = ContentStore(tmp_path / "content", max_bytes=100_000, max_files=20)
    members, told = BAD[case]
    with pytest.raises(InvalidInput, match=told):
        store.add(tar(*members, format=format))
    assert left(tmp_path / "content") == ["drafts"]
    assert [path.name for path in tmp_path.iterdir()] == ["content"]


def test_what_is_no_archive_is_refused(store: ContentStore, model: Path, tmp_path: Path) -> None:
    whole = b"".join(archive(model))
    claims = tarfile.TarInfo("m/a")
    claims.size = 1 << 60
    negative = bytearray(claims.tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b"%06o\0 " % (sum(negative[:148]) + 256 + sum(negative[156:512]))
    bodies = [b"", b"x" * 2000, whole[:-1024], whole[: len(whole) // 2], whole[:700], b"\x1f\x8b" + whole]
    bodies += [claims.tobuf(tarfile.GNU_FORMAT), bytes(negative)]
    for data in (b"nonsense", b"9 path=a\n" * 2 + b"x", b"99999 path=a\n", b"13 size=-5000\n", b"0 a=b\n", b"5 a=\n\n"):
        extended = tarfile.TarInfo("x")
        extended.type, extended.size = tarfile.XHDTYPE, len(data)
        bodies.append(extended.tobuf() + data.ljust(512, b"\0") + tar(("m/a", b"1", FILE)).read())
    for body in bodies:
        with pytest.raises(InvalidInput):
            store.add(io.BytesIO(body))
    assert left(tmp_path / "content") == ["drafts"]


def test_names_that_are_no_utf_8_are_kept_within(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "m") + b"/\xe4")).write_text("1")
    path = store.add(Stream(archive(tmp_path / "m")))
    assert path == content_path(tmp_path / "m")
    assert tree(store.folder(path)) == tree(tmp_path / "m")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "content://",
        "content://" + "0" * 64,
        "content://" + "0" * 64 + "/..",
        "content://../x",
        "/etc/passwd",
        "content://" + "0" * 64 + "/" + "n" * 300,
    ],
)
def test_only_contents_are_looked_up(store: ContentStore, path: str) -> None:
    for ask in (store.has, store.folder, store.read, store.remove):
        with pytest.raises(InvalidInput, match="is no content"):
            ask(path)


def test_what_was_removed_is_gone(store: ContentStore, model: Path, tmp_path: Path) -> None:
    path = store.add(Stream(archive(model)))
    model.rename(tmp_path / "other")
    other = store.add(Stream(archive(tmp_path / "other")))
    store.remove(path)
    store.remove(path)
    assert not store.has(path)
    with pytest.raises(NotFound, match="there is no content"):
        store.folder(path)
    assert store.all() == [other]
    store.remove(other)
    assert left(tmp_path / "content") == ["drafts"]


ADDING = """
import sys
from pathlib import Path
from modelport.store.content import ContentStore
store = ContentStore(Path(sys.argv[1]))
print("begins", flush=True)
print(store.add(sys.stdin.buffer), flush=True)
"""


def test_of_an_upload_that_is_killed_nothing_is_left_at_the_next_start(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "content"
    command = [sys.executable, "-c", ADDING, str(folder)]
    whole = b"".join(archive(model))
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as adding:
        assert adding.stdin is not None and adding.stdout is not None
        assert adding.stdout.readline() == b"begins\n"
        adding.stdin.write(whole[:2_000_000])
        adding.stdin.flush()
        deadline = time.monotonic() + 20
        while not any((folder / "drafts").glob("*/model/data.bin")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        draft = next((folder / "drafts").iterdir())
        assert draft.stat().st_mode & 0o777 == 0o700
        ContentStore(folder)  # somebody is at work there
        assert draft.exists()
        adding.send_signal(signal.SIGKILL)
    assert draft.exists()
    store = ContentStore(folder)
    assert left(folder) == ["drafts"]
    assert store.all() == []
    assert store.add(io.BytesIO(whole)) == content_path(model)


def test_a_full_disk_leaves_nothing(small_disk: Path, model: Path) -> None:
    store = ContentStore(small_disk / "content")
    with pytest.raises(StoreFailed, match="No space left on device") as failure:
        store.add(Stream(archive(model)))
    assert failure.value.hint == "The disk is full."
    assert left(small_disk / "content") == ["drafts"]
    (model / "data.bin").unlink()
    assert store.add(Stream(archive(model))) == content_path(model)
