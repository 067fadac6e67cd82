"""The file that workers write to, while they do."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelport.supervisor import log_file
from modelport.supervisor.log_file import LogFile


def test_a_large_file_is_copied_aside_and_whoever_writes_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "MAX_SIZE", 1000)
    path = tmp_path / "logs" / "e-blue-1"
    file = LogFile(path)
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=file.descriptor, text=True)
    assert writer.stdin is not None

    def write(text: str) -> None:
        assert writer.stdin is not None
        size = path.stat().st_size
        writer.stdin.write(text)
        writer.stdin.flush()
        while path.stat().st_size < size + len(text):
            time.sleep(0.01)

    try:
        write("a" * 998 + "\n")
        assert not file.is_large
        write("b\n")
        assert file.is_large
        file.rotate()
        assert not file.is_large
        write("c\n")
        file.rotate()
        write("d\n")
    finally:
        writer.stdin.close()
        writer.wait()
        file.close()
    aside = path.with_name("e-blue-1.1")
    assert (path.read_text(), aside.read_text()) == ("d\n", "c\n")
    assert [p.name for p in path.parent.iterdir() if p.name not in ("e-blue-1", "e-blue-1.1")] == []
    assert {p.stat().st_mode & 0o777 for p in (path, aside)} == {0o600}


def can_take_out(folder: Path) -> bool:
    """Whether the file system can shorten a file at its beginning."""
    file = LogFile(folder / "probe")
    os.write(file.descriptor, b"a" * (log_file.STEP + 1))
    file.rotate()
    file.close()
    return (folder / "probe").read_bytes() == b"a"


def test_nothing_is_lost_of_what_is_written_while_the_beginning_is_moved_aside(tmp_path: Path) -> None:
    if not can_take_out(tmp_path):
        pytest.skip("this file system takes nothing out of a file")
    path, count = tmp_path / "log", 150_000
    file = LogFile(path)
    code = f"import os\nfor number in range({count}): os.write(1, b'%07d %s\\n' % (number, b'x' * 60))"
    written = b""
    with subprocess.Popen([sys.executable, "-c", code], stdout=file.descriptor) as writer:
        while writer.poll() is None:
            if path.stat().st_size > 2 * log_file.STEP:
                file.rotate()
                written += (tmp_path / "log.1").read_bytes()
    written += path.read_bytes()
    file.close()
    assert len(written) > 4 * log_file.STEP
    assert [int(line[:7]) for line in written.splitlines()] == list(range(count))


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    file = LogFile(path)
    subprocess.run(["echo", "after"], stdout=file.descriptor, check=True)
    file.close()
    assert path.read_text() == "before\nafter\n"
