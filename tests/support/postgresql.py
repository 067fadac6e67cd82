"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there and a port of the loopback."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SETTINGS = {"fsync": "off", "max_connections": "40", "shared_buffers": "16MB", "listen_addresses": "127.0.0.1"}


@dataclass
class PostgreSQL:
    """A server with its data. ``stop`` and ``start`` as often as one likes: the port stays."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://modelport@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [text for key, value in settings.items() for text in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = [*_as_somebody(), str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """At once, whoever is connected; as after a crash, the log is replayed at the next start."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def new_database(self, name: str) -> str:
        """The URL of an empty one."""
        self.run(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def run(self, sql: str, database: str = "postgres") -> str:
        command = [
            str(self.programs / "psql"),
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.url(database),
        ]
        return subprocess.run([*command, "-c", sql], check=True, capture_output=True, text=True, timeout=30).stdout

    def _answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            self.run("SELECT 1")
            return True
        return False


@contextlib.contextmanager
def a_server() -> Iterator[PostgreSQL]:
    """A server that runs until the block ends; skips the test where there is no PostgreSQL and none may be installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="modelport-postgresql-"))
    server = PostgreSQL(programs, folder, _free_port())
    try:
        if os.geteuid() == 0:
            somebody = _somebody()
            os.chown(folder, somebody.pw_uid, somebody.pw_gid)
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "modelport", "-A", "trust", "-E", "UTF8"]
        more = ["--no-locale", "--no-sync"]
        subprocess.run([*_as_somebody(), *initdb, *more], check=True, capture_output=True, cwd=folder, timeout=120)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder of ``postgres``, ``initdb`` and ``psql``."""
    found = _installed()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", "-q", *command], env=environment, capture_output=True, timeout=280, check=False)
        found = _installed()
    if found is None:
        pytest.skip("postgres is not on this machine, and could not be installed")
    return found


def _installed() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    if shutil.which("pg_config") is not None:
        said = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, timeout=30)
        folders.append(Path(said.stdout.strip()))
    folders += [Path(folder) for folder in os.get_exec_path()]
    wanted = ("postgres", "initdb", "psql")
    return next((folder for folder in folders if all((folder / name).exists() for name in wanted)), None)


def _as_somebody() -> list[str]:
    """PostgreSQL refuses to be run by root. What is started so ends with the tests, also when they are killed."""
    command = ["setpriv", "--pdeathsig=QUIT"]
    if os.geteuid() == 0:
        somebody = _somebody()
        command += [f"--reuid={somebody.pw_uid}", f"--regid={somebody.pw_gid}", "--clear-groups"]
    return [*command, "--"]


def _somebody() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("there is no user that PostgreSQL could run as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
