"""Each way in which an environment cannot be had is provoked for real, and what the user then reads is the golden file.

The files lie in ``failures/``, one for each case; ``MODELPORT_WRITE_GOLDEN=1`` writes them anew, to be read in the diff. Paths,
ports and what only this machine has stand there in capitals.
"""

import hashlib
import http.server
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelport.cli.output import print_error
from modelport.environments import preparing
from modelport.errors import ModelportError
from modelport.model import mlmodel
from modelport.settings import EnvironmentSettings
from modelport.workers.spec import WorkerSpec, worker_spec
from tests.modelport.environments.archives import source_archive, wheel
from tests.support.interpreters import interpreter
from tests.support.saved import saved_by

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).parent / "failures"
DOCUMENT = ROOT / "docs" / "environment-errors.md"
LINUX = f"manylinux_2_17_{platform.machine()}"
EXTENSION = (
    "from setuptools import Extension, setup\n"
    "setup(name='mp-native', version='1.0', ext_modules=[Extension('mp_native', ['native.c'])])\n"
)
NO_LIBRARY = "libtesseract.so.5"


@dataclass(frozen=True)
class Case:
    """A model of a loader module of its own. ``archives`` fills a folder that requirements are found in, too."""

    requirements: str = ""
    code: str = ""
    archives: Callable[[Path], object] = lambda folder: None
    python: str | None = None
    created: str | None = None
    conda: str | None = None
    settings: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    loader: str = "probe"


def colours(folder: Path) -> None:
    for version in ("1.0", "1.1", "10.0"):
        wheel(folder, "mp-colours", version)
    wheel(folder, "mp-paint", "1.0", requires=["mp-colours==9.9"])
    wheel(folder, "mp-paint", "2.0", requires=["mp-colours>=1.1"])


def native(folder: Path) -> None:
    for tag in ("cp38", "cp39"):
        wheel(folder, "mp-native", "1.0", tag=f"{tag}-{tag}-{LINUX}")
    for tag in ("cp311", "cp312"):
        wheel(folder, "mp-native", "1.2", tag=f"{tag}-{tag}-{LINUX}")


def native_with_source(folder: Path) -> None:
    native(folder)
    source_archive(folder, "mp-native", "1.0", "raise SystemExit('only Python 3.9 is known')\n")


def source(setup: str, **files: str) -> Callable[[Path], object]:
    return lambda folder: source_archive(folder, "mp-native", "1.0", setup, **files)


CASES = {
    "no_such_version": Case("mp-colours==9.9", archives=colours),
    "no_such_version_of_a_dependency": Case("mp-paint==1.0", archives=colours),
    "no_such_package": Case("mp-colours==1.0\nmp-nobody-has-it==1.0", archives=colours),
    "no_wheel": Case("mp-native==1.0", archives=native),
    "no_wheel_and_no_build": Case("mp-native==1.0", archives=native_with_source),
    "for_another_python": Case(
        "mp-colours==3.0", archives=lambda folder: wheel(folder, "mp-colours", "3.0", python=">=3.30")
    ),
    "conflict": Case("mp-colours==1.0\nmp-paint==2.0", archives=colours),
    "conflict_in_one_file": Case("mp-colours==1.0\nmp-colours==1.1", archives=colours),
    "build_fails": Case("mp-native==1.0", archives=source("raise RuntimeError('the moon is not full')\n")),
    "build_wants_pkg_resources": Case(
        "mp-native==1.0",
        archives=source("import pkg_resources\nfrom setuptools import setup\nsetup(name='mp-native')\n"),
    ),
    "hash_mismatch": Case(f"mp-colours==1.0 --hash=sha256:{'0' * 64}", archives=colours),
    "python_not_found": Case("mp-colours==1.0", archives=colours, python="3.99.1"),
    "missing_package": Case(
        created="2024-05-31",
        code="import yaml",
        conda="dependencies:\n- python=3.11\n- pip:\n  - six==1.16.0\n",
    ),
    "missing_package_of_unknown_name": Case("six==1.16.0", code="import nobody_has_it.at_all"),
    "no_distutils": Case("six==1.16.0", code="import distutils.version", python="3.12"),
    "no_pkg_resources": Case("setuptools==82.0.0", code="import pkg_resources"),
    "no_system_library": Case("six==1.16.0", code=f"import ctypes\nctypes.CDLL({NO_LIBRARY!r})"),
    "no_system_library_in_a_package": Case(
        "mp-native==1.0",
        code="import mp_native",
        archives=lambda folder: wheel(
            folder, "mp-native", "1.0", code="import ctypes\nctypes.CDLL('libnobody-has-it.so.3')\n"
        ),
    ),
    "newer_than_the_model": Case(
        "scikit-learn==1.2.0",
        code="import sklearn.linear_model",
        python="3.10",
        created="2023-01-10",
        settings=EnvironmentSettings(newest=True),
    ),
    "newer_than_its_packages": Case("scikit-learn==1.2.0", code="import sklearn.linear_model", python="3.10"),
    "needs_mlflow": Case("six==1.16.0", loader="mlflow.nothing", settings=EnvironmentSettings(mlflow=False)),
    "its_own_fault": Case("six==1.16.0", code="raise RuntimeError('no licence')"),
    "it_ends_its_process": Case("six==1.16.0", code="import os\nos._exit(7)"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_failure_tells_one_cause_and_one_way_out(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    if case.python is not None and name != "python_not_found":
        interpreter(case.python)
    agrees_with(name, failure_of(case, tmp_path, capsys))


def test_a_missing_compiler_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    case = Case("mp-native==1.0", archives=source(EXTENSION, native__c="int one(void) { return 1; }\n"))
    agrees_with("no_compiler", failure_of(case, tmp_path, capsys))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler on this machine")
def test_a_missing_header_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case("mp-native==1.0", archives=source(EXTENSION, native__c="#include <sasl/sasl.h>\n"))
    agrees_with("no_header", failure_of(case, tmp_path, capsys))


def test_a_build_that_hangs_is_ended_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELPORT_BUILD_TIMEOUT", "3")
    pids = tmp_path / "pids"
    hanging = (
        "import os, subprocess\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "child.wait()\n"
    )
    agrees_with("build_hangs", failure_of(Case("mp-native==1.0", archives=source(hanging)), tmp_path, capsys))
    setup, child = pids.read_text().split()
    until = time.monotonic() + 10
    while any(_is_running(pid) for pid in (setup, child)):
        assert time.monotonic() < until
        time.sleep(0.05)


def _is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# -- indexes -----------------------------------------------------------------------------------------------------------


def test_an_index_that_nobody_listens_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    case = Case(f"--index-url http://127.0.0.1:{port}/simple\nmp-colours==1.0")
    agrees_with("index_unreachable", failure_of(case, tmp_path, capsys))


@pytest.fixture
def refusing() -> Iterator[Callable[[int], str]]:
    """``refusing(401)``: the address of an index that answers everybody so."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(status: int) -> str:
        class Refusing(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}/simple"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_and_not_shown(
    status: int,
    refusing: Callable[[int], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    case = Case(f"--index-url http://ann:hunter2@{refusing(status)}\nmp-colours==1.0")
    said = failure_of(case, tmp_path, capsys)
    assert "hunter2" not in said
    agrees_with(f"credentials_refused_{status}", said)


def test_what_is_not_in_the_cache_is_named_with_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # this machine may know of packages that need no network
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    case = Case("mp-colours==1.0", archives=colours, settings=EnvironmentSettings(offline=True))
    agrees_with("not_cached", failure_of(case, tmp_path, capsys))


# -- disks -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``small_disk("4m")``: a folder on a disk of that size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(size: str) -> Path:
        nonlocal mounted
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "modelport-test", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("only root can mount a small disk")
        mounted = True
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # this process holds the locks of what it uses


@pytest.mark.parametrize("size", ["4k", "4m"])
def test_a_full_disk_is_named(
    size: str, small_disk: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = small_disk(size)
    case = Case("mp-colours==1.0", archives=colours)
    agrees_with("disk_full", failure_of(case, tmp_path, capsys, home))


# -- pickles -----------------------------------------------------------------------------------------------------------


def test_a_pickle_of_another_version_than_the_pins_is_told_with_the_version_that_wrote_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved_by(Path(__file__).with_name("make_pickle.py")) / "forest", folder)
    assert re.search(r"^scikit-learn==1\.2\.2$", (folder / "requirements.txt").read_text(), re.MULTILINE)
    agrees_with("other_pickle", failure_in(folder, tmp_path, capsys))


# -- interpreters that are taken as they are ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name", "case"),
    [
        ("serve", "local_without_a_package", Case("mp-colours==1.0", code="import mp_colours")),
        ("predict", "local_without_a_package", Case("mp-colours==1.0", code="import mp_colours")),
        ("serve", "local_other_version", Case("packaging==20.0", code="from packaging.version import LegacyVersion")),
        ("serve", "local_missing_package", Case("six==1.16.0", code="import nobody_has_it")),
        (
            "predict",
            "local_no_library",
            Case("six==1.16.0", code="import ctypes\nctypes.CDLL('libnobody-has-it.so.3')"),
        ),
    ],
)
def test_what_an_interpreter_lacks_is_told_by_who_serves_and_who_scores(
    command: str, name: str, case: Case, tmp_path: Path
) -> None:
    folder = write(case, tmp_path)
    (tmp_path / "rows.csv").write_text("a\n1\n")
    arguments = ["-p", "0"] if command == "serve" else ["-i", str(tmp_path / "rows.csv"), "-t", "csv"]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("modelport")),
            command,
            "-m",
            str(folder),
            "--env-manager",
            "local",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MODELPORT_HOME": str(tmp_path / "home")},
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    agrees_with(name, stable(done.stderr[done.stderr.index("error: ") :], tmp_path, tmp_path / "home"))


# -- documents ---------------------------------------------------------------------------------------------------------


def test_every_code_is_in_the_table_of_causes() -> None:
    sources = [*(ROOT / "src/modelport/environments").rglob("*.py"), ROOT / "src/modelport/errors.py"]
    codes = {code for path in sources for code in re.findall(r'"(ENVIRONMENT_[A-Z_]+)"', path.read_text())}
    assert set(re.findall(r"^\| `(ENVIRONMENT_\w+)` \|", DOCUMENT.read_text(), re.MULTILINE)) == codes


def test_every_golden_file_is_somebodys() -> None:
    text = Path(__file__).read_text()
    assert not [path.name for path in GOLDEN.glob("*.txt") if f'"{re.sub("_40[13]$", "", path.stem)}' not in text]


# -- making and comparing ----------------------------------------------------------------------------------------------


def write(case: Case, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "probe.py").write_text(f"{case.code}\n\n\ndef _load_pyfunc(path):\n    return None\n")
    content: dict[str, Any] = {"flavors": {"python_function": {"loader_module": case.loader, "code": "code"}}}
    if case.created is not None:
        content["utc_time_created"] = f"{case.created} 12:00:00.000000"
    (folder / "MLmodel").write_text(json.dumps(content))
    if case.python is not None:
        (folder / "python_env.yaml").write_text(f"python: {case.python}\n")
    if case.conda is not None:
        (folder / "conda.yaml").write_text(case.conda)
        return folder
    archives = tmp_path / "archives"
    archives.mkdir()
    case.archives(archives)
    for name in {path.name.split("-")[0].replace("_", "-") for path in archives.iterdir()}:
        page = tmp_path / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        found = archives.glob(f"{name.replace('-', '_')}-*")
        page.write_text("".join(f'<a href="{_address(path)}">{path.name}</a>\n' for path in sorted(found)))
    index = f"--extra-index-url {(tmp_path / 'simple').as_uri()}\n" if (tmp_path / "simple").is_dir() else ""
    (folder / "requirements.txt").write_text(f"{index}{case.requirements}\n")
    return folder


def _address(path: Path) -> str:
    return f"{path.as_uri()}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"


def failure_of(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], home: Path | None = None) -> str:
    return failure_in(write(case, tmp_path), tmp_path, capsys, home, case.settings)


def failure_in(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    home: Path | None = None,
    settings: EnvironmentSettings | None = None,
) -> str:
    """What is printed when the environment of this model is to be built."""
    home = home or tmp_path / "home"
    content = mlmodel.read(folder)

    def spec_in(python: str) -> WorkerSpec:
        return worker_spec(folder, content, python, home, workers=1, name="model", threads=1, max_body=1 << 20)

    with pytest.raises(ModelportError) as raised:
        preparing.worker_spec_of(folder, content, settings or EnvironmentSettings(), home, spec_in)
    capsys.readouterr()
    print_error(raised.value)
    said = capsys.readouterr().err
    log = re.search(r"^The whole log: (.+)$", said, re.MULTILINE)
    assert log is None or Path(log[1]).stat().st_size > 0
    left = [path for path in (home / "envs").glob("*") if len(path.name) == 16]
    assert not left, "what was not built to its end does not stay"
    return stable(said, tmp_path, home)


def stable(said: str, tmp_path: Path, home: Path) -> str:
    said = re.sub(r"/[0-9a-f]{16}(\.log|/|\b)", r"/ID\1", said.replace(str(home), "HOME").replace(str(tmp_path), "TMP"))
    said = re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", said.replace(sys.executable, "PYTHON"))
    said = re.sub(r"(?<=this machine has )\d[^\n]*(?= \[)", "FOUND", said)
    said = re.sub(r"(?<= has packaging )[\d.]+\d", "VERSION", said)
    said = re.sub(r"(?<=pickled with scikit-learn )[\d.]+\d|(?<=-r 'scikit-learn==)[\d.]+\d", "THAT", said)
    return re.sub(r"(?<![\d.=])3\.(\d+)\.\d+", r"3.\1.N", said)


def agrees_with(name: str, said: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("MODELPORT_WRITE_GOLDEN"):
        path.write_text(said)
    assert said == path.read_text()
