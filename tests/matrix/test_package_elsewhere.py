"""A package made here serves in a bare Debian, without network and without anything that was cached here."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from modelport.environments import uv
from tests.end_to_end.server import MODELPORT
from tests.matrix.answers import same
from tests.matrix.made import CACHE, made
from tests.matrix.served import users_environment
from tests.matrix.table import CASES
from tests.support.once import made_once
from tests.support.programs import debian_program
from tests.support.saved import ROOT

ENTER = """
set -e
ip link set lo up
mount --bind "$1" "$2/mnt"
mount -t proc proc "$2/proc"
exec chroot "$2" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/mnt/home MODELPORT_HOME=/mnt/modelport \\
  UV_CACHE_DIR=/mnt/uv PYTHONPATH=/mnt/code /usr/bin/python3 /mnt/ask.py
"""
"""Inside new namespaces of mounts and network: ``$1`` is what the test brings, ``$2`` the Debian root."""
ASK = """
import json, os, socket, subprocess, sys, time, urllib.request

try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
except OSError:
    pass
else:
    sys.exit("there is a network")
log = open("/mnt/log", "wb")
serve = ["serve", "-m", "/mnt/model.mpkg", "-p", "5000"]
command = [sys.executable, "-c", "from modelport.cli import main; main()", *serve]
server = subprocess.Popen(command, stdout=log, stderr=log)
try:
    until = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen("http://127.0.0.1:5000/ping", timeout=5).close()
            break
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                sys.exit(open("/mnt/log").read())
            time.sleep(0.1)
    body = open("/mnt/request.json", "rb").read()
    asked = urllib.request.Request(
        "http://127.0.0.1:5000/invocations", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        print(answer.read().decode())
finally:
    server.terminate()
    server.wait(30)
"""


@pytest.fixture(scope="module")
def debian() -> Path:
    """The root of a bare Debian 12 that has its own Python 3.11, and nothing of this machine."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the root of another system")
    debootstrap = debian_program("debootstrap", "debootstrap")

    def make(draft: Path) -> None:
        command = [debootstrap, "--variant=minbase", "--include=python3", "bookworm", draft]
        _run(command, draft, timeout=550)

    return made_once(CACHE / "debian-bookworm", make)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["local-wheel"])
def test_a_package_serves_in_a_bare_debian_without_network(name: str, debian: Path, tmp_path: Path) -> None:
    model = made(next(case for case in CASES if case.name == name))
    brought = tmp_path / "brought"
    brought.mkdir()
    _run([MODELPORT, "package", "create", model.model, "-o", brought / "model.mpkg"], tmp_path / "home")
    _install_modelport(brought / "code")
    (brought / "request.json").write_text(json.dumps(model.request))
    (brought / "ask.py").write_text(ASK)
    (brought / "home").mkdir()

    answer = _run(["unshare", "-n", "-m", "sh", "-c", ENTER, "sh", brought, debian], tmp_path / "home")

    assert same(json.loads(answer), {"predictions": model.answer}), (answer, model.answer)


def _install_modelport(folder: Path) -> None:
    """Modelport and what it needs, as files for any Python 3.11 of this platform."""
    sources = folder.with_name("sources")  # a build leaves files beside what it builds
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(".*", "build", "dist", "tests", "benchmarks"))
    install = ["pip", "install", "-q", "--python", MODELPORT.with_name("python"), "--target", folder]
    _run([uv.program(), *install, "--no-build-isolation", sources / "runtime", sources], folder)


def _run(command: list[object], home: Path, timeout: float = 280) -> str:
    variables = users_environment(home)
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout, env=variables)
    assert run.returncode == 0, f"{command}\n{run.stdout[-3000:]}{run.stderr[-3000:]}"
    return run.stdout
