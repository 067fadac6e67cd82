"""The sandbox shows an interpreter whole, whoever made it, and nothing beside it; processes inside are found from outside."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from modelport.errors import CannotStart, WorkerFailed
from modelport.workers.sandbox import Sandbox, pid_outside, sandbox_around
from tests.support.interpreters import VERSIONS, interpreter
from tests.support.programs import debian_program


@pytest.fixture(autouse=True)
def bubblewrap() -> None:
    program = debian_program("bwrap", "bubblewrap")
    tried = subprocess.run([program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"])
    if tried.returncode != 0:
        pytest.skip("bubblewrap may not make namespaces here")


def run(sandbox: Sandbox, own: Path, *command: str) -> str:
    own.mkdir(exist_ok=True)
    done = subprocess.run([*sandbox.command(own), *command], env={}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_environment_of_every_python_runs(version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    code = "import sys, ssl, ctypes; print('%d.%d' % sys.version_info[:2])"
    assert run(sandbox_around(python), tmp_path / "own", python, "-I", "-c", code) == version


@pytest.mark.parametrize("made", ["link", "link to a link", "environment of a link"])
def test_an_interpreter_is_found_through_links(made: str, tmp_path: Path) -> None:
    """Links in folders that are not Python's do not show those folders."""
    there = tmp_path / "home" / "bin"
    there.mkdir(parents=True)
    (tmp_path / "home" / "secret").write_text("x")
    python = there / "python3"
    python.symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    if made == "link to a link":
        (there / "python").symlink_to("python3")
        python = there / "python"
    if made == "environment of a link":
        venv.create(tmp_path / "made", symlinks=True)
        python = tmp_path / "made" / "bin" / "python"
        python.unlink()
        python.symlink_to(there / "python3")
    code = f"import json, os; print(os.path.exists({str(tmp_path / 'home' / 'secret')!r}))"
    assert run(sandbox_around(str(python)), tmp_path / "own", str(python), "-I", "-c", code) == "False"


def test_a_script_that_starts_an_interpreter_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    with pytest.raises(CannotStart, match="no interpreter in a folder of its own"):
        sandbox_around(str(script))


def test_an_interpreter_that_does_not_start_inside_is_refused_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("home = /nowhere\n")
    (tmp_path / "bin").mkdir()
    shutil.copy("/bin/false", tmp_path / "bin" / "python")
    with pytest.raises(CannotStart, match="does not start in the sandbox"):
        sandbox_around(str(tmp_path / "bin" / "python"))


def test_what_is_shown_can_be_read_and_only_the_own_folder_written(tmp_path: Path) -> None:
    shown, hidden = tmp_path / "shown", tmp_path / "hidden"
    for folder in (shown, hidden):
        folder.mkdir()
        (folder / "file").write_text("content")
    sandbox = sandbox_around(sys.executable, shown)
    code = f"cat {shown}/file; cat {hidden}/file 2>&1; echo x > {shown}/new; echo y > new; ls /home /root; echo $HOME"
    done = subprocess.run(
        [*sandbox.command(tmp_path), "/bin/sh", "-c", code],
        env={"HOME": "h"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "content" in done.stdout
    assert done.stdout.count("No such file") == 1
    assert "Read-only file system" in done.stderr
    assert (tmp_path / "new").read_text() == "y\n"
    assert not (shown / "new").exists()


def test_a_process_inside_is_found_from_outside(tmp_path: Path) -> None:
    sandbox = sandbox_around(sys.executable)
    code = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
    command = [*sandbox.command(tmp_path), sys.executable, "-I", "-c", code]
    with subprocess.Popen(command, env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        inside = int(launcher.stdout.readline())
        pid = pid_outside(launcher.pid, inside)
        assert pid not in (inside, launcher.pid)
        assert os.readlink(f"/proc/{pid}/exe") == os.path.realpath(sys.executable)
        with pytest.raises(WorkerFailed):
            pid_outside(launcher.pid, 99)
        launcher.communicate("")
