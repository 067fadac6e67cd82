"""Pickles are found by name and by content, and told apart by what they import."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from modelport.model.inspection import pickles


class Bomb:
    def __reduce__(self) -> Any:
        return os.system, ("exit 1",)


DANGEROUS = pickle.dumps([1, Bomb()])
HARMLESS = pickle.dumps(OrderedDict(a=1))
SYSTEM = f"{os.system.__module__}.system"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.pkl", DANGEROUS),
        ("MODEL.PICKLE", DANGEROUS),
        ("weights", DANGEROUS),
        ("data.bin", DANGEROUS),
        ("old.pkl", pickle.dumps(Bomb(), protocol=0)),
        ("old.pth", pickle.dumps(Bomb(), protocol=0)),
        ("python_model.pkl.xz", lzma.compress(DANGEROUS)),
        ("python_model.pkl.bz2", bz2.compress(DANGEROUS)),
        ("python_model.pkl.gz", gzip.compress(DANGEROUS, mtime=0)),
        ("model.joblib", zlib.compress(DANGEROUS)),
        ("model.pth", zipped(model__data_pkl=DANGEROUS, model__version=b"3")),
        ("model.zip", zipped(a_txt=b"text", b=DANGEROUS)),
        ("two.pkl", HARMLESS + DANGEROUS),
        ("cut.pkl", DANGEROUS[:-1]),
        ("followed.pkl", DANGEROUS + b"\xff\xff more"),
    ],
)
def test_a_dangerous_pickle_is_found(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    scan = pickles.scan(tmp_path / name)
    assert scan is not None
    assert scan.dangerous == (SYSTEM,)
    assert scan.complete is (name not in ("cut.pkl", "followed.pkl"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("notes.txt", b"a text", None),
        ("model.onnx", b"\x08\x07", None),
        ("numbers.bin", b"\x00\x01\x02\x03", None),
        ("empty", b"", None),
        ("archive.zip", zipped(a_txt=b"text"), None),
        ("array.npy", b"\x93NUMPY\x01\x00", None),
        ("model.pkl", HARMLESS, ((), (), ("collections.OrderedDict",), None)),
        ("number.pkl", pickle.dumps(5), ((), (), (), None)),
    ],
)
def test_what_is_no_pickle_is_left_alone(tmp_path: Path, name: str, content: bytes, expected: Any) -> None:
    (tmp_path / name).write_bytes(content)
    scan = pickles.scan(tmp_path / name)
    assert expected == (scan and (scan.dangerous, scan.suspicious, scan.innocuous, scan.problem))


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage, really", b"PK\x03\x04 no archive", b"\xfd7zXZ\x00 torn", b"\x1f\x8b\x08", zipped(a=b"x")],
)
def test_a_pickle_that_cannot_be_read_is_not_called_clean(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.pkl").write_bytes(content)
    scan = pickles.scan(tmp_path / "model.pkl")
    assert scan is not None
    assert (scan.complete, scan.dangerous) == (False, ())
    assert scan.problem


def test_a_file_that_will_be_unpickled_is_scanned_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.dat"
    path.write_bytes(pickle.dumps(Bomb(), protocol=0))
    assert pickles.scan(path) is None
    scan = pickles.scan(path, unpickled=True)
    assert scan is not None
    assert scan.dangerous


def test_what_grows_without_end_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_SCANNED", 1 << 20)
    large = pickle.dumps([Bomb(), b"0" * (8 << 20)])
    for name, content in (
        ("a.pkl", large),
        ("a.pkl.gz", gzip.compress(large)),
        ("a.joblib", zlib.compress(large)),
        ("a.pth", zipped(data_pkl=large)),
    ):
        (tmp_path / name).write_bytes(content)
        scan = pickles.scan(tmp_path / name)
        assert scan is not None
        assert not scan.complete, name


def test_nothing_is_read_from_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pkl")
    assert pickles.scan(tmp_path / "model.pkl") is None


def test_the_scanner_says_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pkl").write_bytes(DANGEROUS)
    (tmp_path / "torn.pkl").write_bytes(b"garbage")
    assert pickles.scan(tmp_path / "model.pkl") and pickles.scan(tmp_path / "torn.pkl")
    assert capfd.readouterr() == ("", "")


def test_what_joblib_writes_is_scanned(tmp_path: Path) -> None:
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3)):
        joblib.dump({"a": np.arange(1000.0), "b": Bomb()}, tmp_path / "model.joblib", compress=compress)
        scan = pickles.scan(tmp_path / "model.joblib")
        assert scan is not None
        assert "joblib.numpy_pickle.NumpyArrayWrapper" in scan.suspicious
