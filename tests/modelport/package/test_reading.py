"""A package is read as it was made, or refused."""

import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from modelport.errors import ModelportError
from modelport.model import location, package
from tests.modelport.package.tiny import CODE, CONTENT, manifest

Entries = list[tuple[ZipInfo, bytes]]


def entries(files: dict[str, bytes], **changed: object) -> Entries:
    """Those of a good package; the manifest's fields ``changed``."""
    return [(ZipInfo(name), data) for name, data in {**files, "manifest.json": manifest(files, **changed)}.items()]


def written(path: Path, content: Entries) -> Path:
    with ZipFile(path, "w") as archive:
        for entry, data in content:
            archive.writestr(entry, data)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "good.mpkg", entries(CONTENT))


def test_a_package_is_unpacked_once_and_found_again(good: Path, tmp_path: Path) -> None:
    folder = package.unpacked(good, tmp_path / "home")
    assert (folder / "code" / "doubling.py").read_text() == CODE
    found = package.around(folder)
    assert found is not None and found.manifest.name == "doubling" and len(found.lock) == 1
    before = (folder / "MLmodel").stat()
    assert package.unpacked(good, tmp_path / "home") == folder
    assert (folder / "MLmodel").stat() == before
    assert [path.name for path in (tmp_path / "home" / "packages").iterdir()] == [found.manifest.digest]


def test_a_package_is_a_place_where_a_model_lies(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path / "home"))
    assert location.resolve(str(good)) == location.resolve(good.as_uri()) == package.unpacked(good, tmp_path / "home")


def test_a_folder_named_model_beside_a_manifest_of_its_own_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert package.around(tmp_path / "model") is None
    (tmp_path / "manifest.json").write_bytes(manifest())
    assert package.around(tmp_path / "model") is None


def test_a_good_package_is_verified_and_nothing_is_written(good: Path, tmp_path: Path) -> None:
    assert package.verify(good).digest == package.read_manifest(good).digest
    assert os.listdir(tmp_path) == ["good.mpkg"]


def named(name: str, mode: int = 0) -> ZipInfo:
    entry = ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def but(name: str, data: bytes | None = None, mode: int = 0, files: dict[str, bytes] = CONTENT) -> Entries:
    """Those of a good package, but for one that is missing, or has other data or another mode than the manifest says."""
    others = [(entry, content) for entry, content in entries(files) if entry.filename != name]
    return others if data is None else [*others, (named(name, mode), data)]


def lacking(name: str) -> Entries:
    """A package whose manifest does not know this file either."""
    return entries({other: data for other, data in CONTENT.items() if other != name})


def compressed() -> Entries:
    found = entries(CONTENT)
    found[1][0].compress_type = ZIP_DEFLATED
    return found


def having(name: str) -> Entries:
    return entries({**CONTENT, name: b"x"})


MLMODEL = "model/MLmodel"
LINKED = {**CONTENT, "model/link": b"/etc/passwd"}
DAMAGES: dict[str, tuple[Callable[[], Entries], str]] = {
    "another content": (lambda: but(MLMODEL, b"x" * len(CONTENT[MLMODEL])), "'model/MLmodel' is not what"),
    "another size": (lambda: but(MLMODEL, b"x"), "'model/MLmodel' has 1 bytes"),
    "a file more": (lambda: but("model/more", b"x"), "'model/more' is not in its manifest"),
    "a file less": (lambda: but(MLMODEL), "'model/MLmodel' is missing"),
    "a file above it": (lambda: having("../outside"), "'../outside' would lie outside"),
    "an absolute path": (lambda: having("/tmp/outside"), "'/tmp/outside' would lie outside"),
    "a path that climbs": (lambda: having("model/../../outside"), "'model/../../outside' would lie outside"),
    "a file in no place of it": (lambda: having("elsewhere/file"), "'elsewhere/file' would lie outside"),
    "a link": (lambda: but("model/link", b"/etc/passwd", stat.S_IFLNK | 0o777, LINKED), "'model/link' is a link"),
    "a compressed file": (compressed, "is not stored as it is"),
    "no wheel for a line of the lock": (
        lambda: lacking("wheels/six-1.17.0-py2.py3-none-any.whl"),
        "no wheel for 'six==1.17.0'",
    ),
    "no lock": (lambda: lacking("lock.txt"), "it has no lock.txt"),
    "no model": (lambda: lacking(MLMODEL), "it has no model/MLmodel"),
    "no manifest": (lambda: but("manifest.json"), "has no manifest.json"),
    "a manifest that is no JSON": (lambda: but("manifest.json", b"{"), "its manifest.json is not readable"),
    "a manifest that says too little": (lambda: entries(CONTENT, platform={}), "its manifest.json lacks what"),
    "another format": (lambda: entries(CONTENT, format=2), "format 2"),
}
NOT_UNDERSTOOD = ("no manifest", "another format")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_package_is_refused_and_leaves_nothing(damage: str, tmp_path: Path) -> None:
    content, text = DAMAGES[damage]
    code = "PACKAGE_NOT_UNDERSTOOD" if damage in NOT_UNDERSTOOD else "PACKAGE_DAMAGED"
    path = written(tmp_path / "bad.mpkg", content())
    for read in (package.verify, lambda path: package.unpacked(path, tmp_path / "home")):
        with pytest.raises(ModelportError) as error:
            read(path)
        assert (error.value.code, text in error.value.message) == (code, True), error.value.message
        assert error.value.hint
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not left and not (tmp_path / "outside").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "bad.mpkg", [*entries(CONTENT), (named("model/MLmodel"), CONTENT["model/MLmodel"])])
    with pytest.raises(ModelportError, match="'model/MLmodel' twice"):
        package.verify(path)


def test_every_cut_is_noticed(good: Path, tmp_path: Path) -> None:
    whole = good.read_bytes()
    cut = tmp_path / "cut.mpkg"
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(ModelportError) as error:
            package.verify(cut)
        assert error.value.code == "PACKAGE_DAMAGED"


def test_every_changed_byte_of_a_file_is_noticed(good: Path, tmp_path: Path) -> None:
    whole = good.read_bytes()
    changed = tmp_path / "changed.mpkg"
    for data in CONTENT.values():
        at = whole.index(data)
        for place in (at, at + len(data) - 1):
            changed.write_bytes(whole[:place] + struct.pack("B", whole[place] ^ 1) + whole[place + 1 :])
            with pytest.raises(ModelportError) as error:
                package.verify(changed)
            assert error.value.code == "PACKAGE_DAMAGED"


def test_a_package_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelportError, match="there is no package at"):
        package.verify(tmp_path / "none.mpkg")
    with pytest.raises(ModelportError, match="cannot be read: Is a directory"):
        package.verify(tmp_path)


def test_no_time_of_the_archive_reaches_the_unpacked_files(good: Path, tmp_path: Path) -> None:
    folder = package.unpacked(good, tmp_path / "home")
    assert time.time() - (folder / "MLmodel").stat().st_mtime < 600
