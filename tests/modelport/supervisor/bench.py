"""A real supervisor with real workers, and scripts in the places of control and of the scoring processes."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modelport.supervisor.settings import Settings
from modelport.supervisor.table import EndpointRoute, Probe, Table, WantedWorkers
from modelport.workers.spec import worker_spec
from tests.support.saved import ROOT

HERE = Path(__file__).parent
WITHIN = 30.0
"""Seconds that anything may take here."""

_LOADER = """
import sys, time

def _load_pyfunc(path):
    act = open(path).read()
    print("loading to", act, flush=True)
    if act == "fail":
        raise ValueError("there is no licence")
    if act == "hang":
        time.sleep(3600)
    return Model(act)

class Model:
    def __init__(self, act):
        self.act = act
    def predict(self, data):
        return [1.0] * len(data)
"""


def model(folder: Path, act: str = "serve") -> Path:
    """A model of a flavor of its own, which is quickly loaded."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / f"loads_{folder.name}.py").write_text(_LOADER)
    (folder / "act").write_text(act)
    return folder


class Bench:
    """One supervisor's folder and addresses; the supervisor itself may come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Path(tempfile.mkdtemp(prefix="modelport-test-"))  # short, as sockets lie in it
        self.run = self.home / "run"
        self.models = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.settings = Settings(
            run=str(self.run),
            control=(sys.executable, str(HERE / "control_script.py"), str(folder)),
            control_host="127.0.0.1",
            control_port=free_port(),
            scoring_host="127.0.0.1",
            scoring_port=free_port(),
            scoring_processes=2,
            scoring_settings={"opaque": "settings"},
            longest_start=WITHIN,
            scoring=(sys.executable, str(HERE / "scoring_script.py"), str(folder)),
        )

    # -- the supervisor

    def start(self) -> None:
        self.settings.write(self.folder / "settings")
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "modelport.supervisor.main", str(self.folder / "settings")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.until(self._listens)

    def _listens(self) -> bool:
        """Its addresses are there; nobody needs to be behind them yet."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return "endpoints at http://" in self.log().rpartition("stopping:")[2]

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WITHIN)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home)

    # -- control

    def ask_control(self, **message: Any) -> int:
        """Its process id."""
        with socket.create_connection(("127.0.0.1", self.settings.control_port), timeout=WITHIN) as connection:
            connection.sendall(json.dumps(message).encode() + b"\n")
            return int(connection.makefile().readline())

    def want(self, version: int, *workers: WantedWorkers, route: bool = True) -> None:
        endpoints = [EndpointRoute("e", [], [])] if route else []
        self.ask_control(say={"table": Table(version, list(workers), endpoints).as_dict()})

    def wanted(
        self,
        id: str = "e/blue/1",
        count: int = 1,
        act: str = "serve",
        timeout: float = 5.0,
        liveness: Probe | None = None,
        readiness: Probe | None = None,
    ) -> WantedWorkers:
        self.models += 1
        folder = model(self.folder / f"m{self.models}", act)
        flavor = {"loader_module": f"loads_{folder.name}", "data": "act", "code": "code"}
        content = {"flavors": {"python_function": flavor}, "model_uuid": id, "odd": float("nan")}
        home = ROOT / ".cache" / "modelport-home"
        spec = worker_spec(folder, content, sys.executable, home, workers=1, name="m", threads=1, max_body=1 << 20)
        log = str(self.folder / "logs" / id.replace("/", "-"))
        return WantedWorkers(id, spec.as_dict(), count, timeout, None, log, liveness, readiness=readiness)

    def told_control(self) -> list[dict[str, Any]]:
        return _lines(self.folder / "control")

    def told_scoring(self, process: int) -> list[dict[str, Any]]:
        return _lines(self.folder / f"scoring-{process}")

    def reports(self, id: str = "e/blue/1") -> list[dict[str, Any]]:
        told = [line["workers"] for line in self.told_control() if "workers" in line]
        return [report for report in told if report["id"] == id]

    def report(self, id: str, state: str, ready: int | None = None) -> dict[str, Any]:
        """The newest report on this set, as soon as it says this."""

        def found() -> dict[str, Any] | None:
            newest = (self.reports(id) or [{}])[-1]
            return newest if newest.get("state") == state and ready in (None, newest["ready"]) else None

        report: dict[str, Any] = self.until(found)
        return report

    def applied(self, version: int) -> None:
        self.until(lambda: {"applied": version} in self.told_control())

    # -- scoring

    def ask_scoring(self) -> int:
        """The process id of the one that answers."""
        with socket.create_connection(("127.0.0.1", self.settings.scoring_port), timeout=WITHIN) as connection:
            return int(connection.makefile().readline())

    def listening(self) -> None:
        """Returns when all scoring processes listen."""
        self.until(lambda: all({"listen": True} in self.told_scoring(process) for process in (0, 1)))

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        (self.folder / name).touch()
        yield
        (self.folder / name).unlink()

    def until(self, found: Callable[[], Any], within: float = WITHIN) -> Any:
        """What ``found`` finds, once it finds something."""
        end = time.monotonic() + within
        while not (result := found()):
            assert time.monotonic() < end, f"{self.log()}\n{self.told_control()}"
            time.sleep(0.02)
        return result

    def kill(self, *pids: int) -> None:
        """Returns when all of their threads have ended."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))

    def processes(self) -> dict[int, str]:
        """All that were started here, with their commands: these mention our folder, or they lie in the run folder."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                    if str(self.folder) in command or str(self.run) in os.readlink(entry / "cwd"):
                        found[int(entry.name)] = command
        return found


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
