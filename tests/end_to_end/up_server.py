"""A real `modelport up` for tests, and a load that counts what went wrong."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelport.client import Client
from tests.end_to_end.server import MODELPORT, free_port

READY_WITHIN = 60.0


class UpServer:
    """A running server. ``log`` is the standard error of all of its processes."""

    def __init__(self, home: Path, *options: str, log: Path | None = None, **variables: str) -> None:
        self.home = home
        self.port, self.scoring_port = free_port(), free_port()
        self.log = log or home.with_name(home.name + ".log")
        self._options = options
        self.variables = {
            **os.environ,
            "MODELPORT_HOME": str(home),
            "MODELPORT_URL": self.url,
            "PATH": f"{MODELPORT.parent}{os.pathsep}{os.environ['PATH']}",
            **variables,
        }
        self.process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def scoring_url(self) -> str:
        return f"http://127.0.0.1:{self.scoring_port}"

    def start(self) -> None:
        command = [str(MODELPORT), "up", "--port", str(self.port), "--scoring-port", str(self.scoring_port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self._options], env=self.variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN
        for url in (self.url, self.scoring_url):
            while True:
                try:
                    with urllib.request.urlopen(f"{url}/ping", timeout=5):
                        break
                except urllib.error.HTTPError:
                    break  # it answers
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > end:
                        raise AssertionError(self.log.read_text()[-4000:]) from None
                    time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    @property
    def key(self) -> str:
        return (self.home / "admin.key").read_text().strip()

    def client(self, key: str | None = None) -> Client:
        return Client(self.url, key or self.key)

    def run(self, *arguments: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(MODELPORT), *arguments], env=self.variables, cwd=cwd, capture_output=True, text=True, timeout=300
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.stdout}\n{done.stderr}\n{self.log.read_text()[-3000:]}")
        return done

    def children(self) -> list[int]:
        """Process ids of everything the supervisor started and that lives."""
        return descendants(self.process.pid)


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


@contextlib.contextmanager
def running(home: Path, *options: str, **variables: str) -> Iterator[UpServer]:
    server = UpServer(home, *options, **variables)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Load:
    """So many clients that ask without a pause; every answer and every failure is counted."""

    def __init__(self, url: str, path: str, key: str, body: Any, clients: int = 4, pause: float = 0.0) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._path, self._body = path, json.dumps(body).encode()
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._pause = pause
        self.statuses: Counter[int] = Counter()
        self.deployments: Counter[str] = Counter()
        self.failures: list[str] = []
        """Answers other than 200."""
        self.dropped: list[str] = []
        """Requests that were never answered."""
        self._excuses: list[tuple[float, float]] = []
        self._unanswered: list[tuple[float, float, str]] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    @contextlib.contextmanager
    def excused(self, seconds: float = 1.0) -> Iterator[None]:
        """Requests that are open meanwhile, and so many seconds later, may be lost."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._excuses.append((began - 0.1, time.monotonic() + seconds))

    @property
    def lost(self) -> list[str]:
        """Requests that were never answered, and that nothing excuses."""
        return [
            why
            for began, ended, why in self._unanswered
            if not any(began <= until and ended >= since for since, until in self._excuses)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stopping.is_set():
            connection = connection or http.client.HTTPConnection(self._host, self._port, timeout=60)
            began = time.monotonic()
            try:
                connection.request("POST", self._path, self._body, self._headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                connection = None
                self.dropped.append(repr(error))
                self._unanswered.append((began, time.monotonic(), repr(error)))
                time.sleep(0.01)
                continue
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.deployments[answer.headers.get("azureml-model-deployment", "")] += 1
            else:
                self.failures.append(f"{answer.status} {content[:200]!r}")
            if answer.headers.get("connection", "").lower() == "close":
                connection.close()
                connection = None
            time.sleep(self._pause)
        if connection is not None:
            connection.close()
