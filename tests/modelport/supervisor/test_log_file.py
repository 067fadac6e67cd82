"""The file that workers write to, while they do."""

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


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    file = LogFile(path)
    subprocess.run(["echo", "after"], stdout=file.descriptor, check=True)
    file.close()
    assert path.read_text() == "before\nafter\n"
