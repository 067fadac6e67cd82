"""A real `modelport serve` for tests, and a client that counts what went wrong."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.saved import ROOT

MODELPORT = Path(sys.executable).with_name("modelport")
MODEL_PYTHON = Path(sys.executable)
"""Where they run: the same libraries without mlflow, which would make each start of a Python model five seconds longer."""
READY_WITHIN = 60.0


class Server:
    """A running server; ``log`` is its standard error, ``access_log`` its standard output."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.log = folder / "log"
        self.access_log = folder / "access"
        self.scheme = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def ask(
        self, path: str, body: bytes | None = None, method: str | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """Status, parsed body (bytes where it is no JSON), headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data=body, headers=named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, content, found = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                status, content, found = error.code, error.read(), error.headers
        try:
            return status, json.loads(content), found
        except ValueError:
            return status, content, found

    def predict(self, document: Any) -> tuple[int, Any]:
        status, body, _ = self.ask("/invocations", json.dumps(document).encode(), content_type="application/json")
        return status, body

    def metric(self, name: str) -> float:
        """The sum of a metric's samples, as `/metrics` shows them."""
        _, text, _ = self.ask("/metrics")
        lines = [line for line in text.decode().splitlines() if line.startswith((name + " ", name + "{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def workers(self) -> list[int]:
        """Process ids of the workers: children of ours that run the laid-out runtime."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    if parent == self.process.pid and b"-I\0-B\0" in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(model: Path | dict[str, Path], port: int, *options: str) -> list[str]:
    models = [f"{name}={path}" for name, path in model.items()] if isinstance(model, dict) else [str(model)]
    named = [argument for uri in models for argument in ("-m", uri)]
    return [str(MODELPORT), "serve", *named, "-p", str(port), "--python", str(MODEL_PYTHON), *options]


@contextlib.contextmanager
def running(model: Path | dict[str, Path], folder: Path, *options: str, scheme: str = "http") -> Iterator[Server]:
    """A server that answered its first `/ping`; stopped at the end."""
    port = free_port()
    with started(command(model, port, *options), port, folder, environment(), READY_WITHIN, scheme) as server:
        yield server


@contextlib.contextmanager
def started(
    words: list[str], port: int, folder: Path, variables: dict[str, str], ready_within: float, scheme: str = "http"
) -> Iterator[Server]:
    """The server that the command ``words`` starts on ``port``; what it writes is in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log, (folder / "access").open("wb") as access:
        process = subprocess.Popen(words, stdout=access, stderr=log, env=variables)
    server = Server(process, port, folder)
    server.scheme = scheme
    try:
        until = time.monotonic() + ready_within
        while True:
            assert process.poll() is None, server.log.read_text()
            assert time.monotonic() < until, server.log.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                probe.close()
                if scheme != "http" or server.ask("/ping")[0] == 200:
                    break
            time.sleep(0.05)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"the server did not stop:\n{server.log.read_text()}") from None


def environment() -> dict[str, str]:
    return {**os.environ, "MODELPORT_HOME": str(ROOT / ".cache" / "modelport-home")}


class Load:
    """Keeps ``concurrency`` connections busy with one request until told to stop; ``results`` counts the answers.

    An attempt to connect that is refused ends that client when ``may_end`` is set: the server said it is going.
    """

    def __init__(self, port: int, document: Any, concurrency: int, headers: str = "") -> None:
        body = json.dumps(document).encode()
        self._port = port
        self._concurrency = concurrency
        self._request = (
            b"POST /invocations HTTP/1.1\r\nhost: x\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (headers.encode(), len(body), body)
        )
        self.results: Counter[str] = Counter()
        self.may_end = False
        self.stop = False

    async def run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._concurrency)))

    async def _client(self) -> None:
        while not self.stop:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                if self.may_end:
                    return
                self.results[f"connect: {error!r}"] += 1
                await asyncio.sleep(0.05)
                continue
            try:
                while not self.stop:
                    writer.write(self._request)
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                    body = await reader.readexactly(size)
                    status = head.split()[1].decode()
                    self.results[status if status == "200" else f"{status}: {body[:200].decode()}"] += 1
                    if b"connection: close" in head:
                        break
            except (OSError, asyncio.IncompleteReadError) as error:
                self.results[f"lost: {error!r}"] += 1
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
