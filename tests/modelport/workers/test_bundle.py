"""The laid-out runtime: whole or not there, made once, startable by another interpreter, and nothing else on its path."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelport.errors import CannotStart
from modelport.workers import bundle


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(scope="module")
def folder(home: Path) -> Path:
    return bundle.lay_out(home, sys.executable)


def run(folder: Path, code: str) -> str:
    """What a bare interpreter prints that finds the runtime in the folder, and nothing of this environment."""
    script = f"import sys; sys.path[:] = [{str(folder)!r}] + [p for p in sys.path if 'site-packages' not in p]\n{code}"
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_same_runtime_is_laid_out_once(home: Path, folder: Path) -> None:
    (folder / "kept").touch()
    assert bundle.lay_out(home, sys.executable) == folder
    assert (folder / "kept").exists()
    (folder / "kept").unlink()
    assert [entry.name for entry in home.iterdir()] == [folder.name]


def test_the_worker_needs_nothing_but_the_folder_and_the_standard_library(folder: Path) -> None:
    loaded = run(
        folder,
        "import modelport_runtime.worker as worker\n"
        "assert worker.__file__.startswith(sys.path[0]), worker.__file__\n"
        "print([name for name in ('numpy', 'pandas', 'orjson', 'modelport') if name in sys.modules])",
    )
    assert loaded == "[]"


def test_our_own_interpreter_gets_orjson_where_no_library_sees_it(folder: Path) -> None:
    assert run(folder, "from modelport_runtime.payload import jsonio; print(jsonio.library())").startswith("orjson ")


def test_it_is_compiled_so_that_starting_writes_and_parses_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert any(path.name.startswith("worker.") and path.suffix == ".pyc" for path in before)
    assert run(folder, "import modelport_runtime.worker as worker; print(worker.__cached__)").endswith(".pyc")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_started_without_its_socket_it_ends_with_an_error(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-I", "-B", str(folder)], capture_output=True, timeout=20)
    assert done.returncode == 1


def test_several_that_lay_out_at_once_get_one_whole_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(lambda _: bundle.lay_out(tmp_path, sys.executable), range(4)))
    assert len(folders) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [folders.pop().name]


def test_another_content_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    changed = tmp_path / "worker.py"
    changed.write_text("print('changed')\n")
    files = {**bundle._files(), "modelport_runtime/worker.py": changed}
    monkeypatch.setattr(bundle, "_files", lambda: files)
    other = bundle.lay_out(tmp_path / "home", sys.executable)
    assert other.name != folder.name
    assert (other / "modelport_runtime" / "worker.py").read_text() == "print('changed')\n"


def test_what_cannot_be_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: object, target: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(OSError, match="no space"):
        bundle.lay_out(tmp_path, sys.executable)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("python", ["/bin/false", "/bin/ls", "/no/such/python"])
def test_what_is_no_interpreter_is_named(tmp_path: Path, python: str) -> None:
    with pytest.raises(CannotStart, match=f"'{python}' is no Python interpreter") as raised:
        bundle.lay_out(tmp_path, python)
    assert "--python" in str(raised.value.hint)
