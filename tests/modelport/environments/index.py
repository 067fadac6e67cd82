"""A package index of this machine, with tiny wheels that claim to be anything, and with upload dates or without."""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.modelport.environments.archives import wheel

USER, PASSWORD = "ann", "open-sesame%2F42"
"""The password as it stands in a URL; what it means is ``open-sesame/42``."""
SECRETS = ("open-sesame", base64.b64encode(b"ann:open-sesame/42").decode())
"""What must stand nowhere."""


@dataclass
class Index:
    """Started by ``with``; ``asked`` are the paths that were answered, ``refused`` those that came without credentials.

    As a proxy it is taken for the index of any host; a request's path is then the whole address.
    """

    folder: Path
    private: bool = False
    dated: bool = True
    files: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """Name → file → the day it was uploaded."""
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add(self, name: str, version: str, day: str | None = None, requires: Iterable[str] = (), code: str = "") -> str:
        """A wheel, uploaded on ``day``; returns its hash."""
        path = wheel(self.folder, name, version, requires=requires, code=code)
        self.files.setdefault(name, {})[path.name] = day
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def add_what_every_environment_gets(self) -> None:
        """In name only, for models that use none of it."""
        for name in ("numpy", "pandas", "cloudpickle", "setuptools"):
            self.add(name, "1.0")

    @property
    def url(self) -> str:
        return f"http://{self.address}/simple"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def url_of(self, who: str) -> str:
        """With ``who`` before the host: a user, or user and password."""
        return f"http://{who}@{self.address}/simple"

    def __enter__(self) -> "Index":
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, kind, body = index._answer(self.path, self.headers.get("Authorization"))
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

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

    def _answer(self, path: str, authorization: str | None) -> tuple[int, str, bytes]:
        if self.private and authorization != f"Basic {SECRETS[1]}":
            self.refused.append(path)
            return 401, "text/plain", b""
        self.asked.append(path)
        path = re.sub(r"^http://[^/]+", "", path)  # who takes us for a proxy names the host, too
        if path.startswith("/files/"):
            file = self.folder / path.removeprefix("/files/").partition("?")[0]
            return (200, "application/octet-stream", file.read_bytes()) if file.is_file() else (404, "text/plain", b"")
        name = path.removeprefix("/simple/").strip("/")
        if name not in self.files:
            return 404, "text/plain", b""
        links = [(file, self._hash(file), day) for file, day in self.files[name].items()]
        if not self.dated:
            page = "".join(f'<a href="/files/{file}#sha256={sha256}">{file}</a>\n' for file, sha256, _ in links)
            return 200, "text/html", page.encode()
        files = [
            {"filename": file, "url": f"/files/{file}", "hashes": {"sha256": sha256}}
            | ({} if day is None else {"upload-time": f"{day}T12:00:00.000000Z"})
            for file, sha256, day in links
        ]
        content = {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": files}
        return 200, "application/vnd.pypi.simple.v1+json", json.dumps(content).encode()

    def _hash(self, file: str) -> str:
        return hashlib.sha256((self.folder / file).read_bytes()).hexdigest()
