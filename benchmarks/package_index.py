"""A package index on loopback, over a line that is the same every time: so many bytes a second, so long until it answers.

The way to an index elsewhere varies more from one minute to the next than the programs that are compared.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from types import TracebackType

from packaging.utils import parse_wheel_filename

UPLOADED = "2020-01-01T00:00:00Z"
"""What every file says, so that none is newer than a model."""
_CHUNK = 64 << 10


def downloaded(folder: Path, requirements: tuple[str, ...], python: str) -> Path:
    """The folder with the wheels of these requirements, and of all that they require, for this interpreter."""
    command = [sys.executable, "-m", "pip", "--python", python, "download", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, "-d", folder, *requirements], check=True)
    return folder


class PackageIndex:
    """Serves the wheels of a folder by the simple API (PEP 691) with their metadata (PEP 658); started by ``with``."""

    def __init__(self, folder: Path, bytes_per_second: float, latency: float) -> None:
        """``latency``: seconds before each answer."""
        self._line = _Line(bytes_per_second, latency)
        self._answers = _answers(folder)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def __enter__(self) -> PackageIndex:
        answers, line = self._answers, self._line

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                kind, body = answers.get(self.path, ("text/plain", None))
                content = b"" if body is None else body
                first, last = _asked(self.headers.get("Range"), len(content))
                part = content[first:last]
                line.wait()
                self.send_response(404 if body is None else 206 if len(part) < len(content) else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(part)))
                self.send_header("Cache-Control", "max-age=600")
                self.send_header("Accept-Ranges", "bytes")
                if len(part) < len(content):
                    self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(content)}")
                self.end_headers()
                if self.command == "GET":
                    for start in range(0, len(part), _CHUNK):
                        chunk = part[start : start + _CHUNK]
                        line.carry(len(chunk))
                        self.wfile.write(chunk)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Line:
    """One for all connections: what one carries, another waits for."""

    def __init__(self, bytes_per_second: float, latency: float) -> None:
        self._bytes_per_second, self._latency = bytes_per_second, latency
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self) -> None:
        time.sleep(self._latency)

    def carry(self, size: int) -> None:
        with self._lock:
            self._free_at = max(self._free_at, time.perf_counter()) + size / self._bytes_per_second
            until = self._free_at
        time.sleep(max(0.0, until - time.perf_counter()))


def _answers(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Path → media type and body."""
    answers: dict[str, tuple[str, bytes]] = {}
    pages: dict[str, list[dict[str, object]]] = defaultdict(list)
    for wheel in sorted(folder.glob("*.whl")):
        name, *_ = parse_wheel_filename(wheel.name)
        content = wheel.read_bytes()
        with zipfile.ZipFile(wheel) as archive:
            metadata = archive.read(
                next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
            )
        answers[f"/files/{wheel.name}"] = ("application/octet-stream", content)
        answers[f"/files/{wheel.name}.metadata"] = ("text/plain", metadata)
        pages[name].append(
            {
                "filename": wheel.name,
                "url": f"/files/{wheel.name}",
                "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
                "size": len(content),
                "upload-time": UPLOADED,
            }
        )
    for project, files in pages.items():
        page = {"meta": {"api-version": "1.1"}, "name": project, "versions": [], "files": files}
        answers[f"/simple/{project}/"] = ("application/vnd.pypi.simple.v1+json", json.dumps(page).encode())
    return answers


def _asked(range_header: str | None, size: int) -> tuple[int, int]:
    """First byte and the one after the last, of ``bytes=FIRST-LAST``."""
    if range_header is None:
        return 0, size
    first, _, last = range_header.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)
