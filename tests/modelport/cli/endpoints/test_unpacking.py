"""An archive from a server is not trusted with places outside of the folder."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.cli.endpoints.unpacking import unpack
from modelport.errors import InvalidInput


def _archive(*names: str, link: str | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            if link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, link
            else:
                member.size = 5000
            archive.addfile(member, None if link is not None else io.BytesIO(bytes(5000)))
    return file.getvalue()


def _pieces(data: bytes, size: int = 700) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def test_files_come_as_they_were_sent(tmp_path: Path) -> None:
    unpack(_pieces(_archive("rent/MLmodel", "rent/data/weights.bin")), tmp_path / "out" / "churn")
    assert (tmp_path / "out" / "churn" / "rent" / "data" / "weights.bin").read_bytes() == bytes(5000)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["churn"]


@pytest.mark.parametrize(
    "data",
    [
        _archive("../escaped"),
        _archive("/tmp/escaped"),
        _archive("rent/../../escaped"),
        _archive("rent", link="/etc/passwd"),
        _archive("rent/MLmodel")[:3000],
        b"no archive at all" * 100,
    ],
)
def test_nothing_is_left_of_what_cannot_be_written(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        unpack(_pieces(data), tmp_path / "out" / "churn")
    assert list((tmp_path / "out").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
