"""Answers that no worker is asked for: counted, logged and sent, errors in the form that the path's dialect has."""

import time
from collections.abc import Iterable

from modelport.serving.access_log import AccessLog
from modelport.serving.http import Request
from modelport.serving.invocations import Invocations
from modelport.serving.metrics import ROUTE_INDEX, Metrics
from modelport.serving.open_inference import OpenInference
from modelport.serving.score import Score
from modelport.serving.scoring_route import ScoringRoute

_DOCUMENTS = ("/openapi.json", "/swagger.json", "/docs")
MAX_KNOWN = 40
"""Paths that are named to who asked for one that is not there."""


class Answers:
    """For the paths that begin with ``prefix``."""

    def __init__(self, metrics: Metrics, access_log: AccessLog, prefix: str) -> None:
        self._metrics = metrics
        self._access_log = access_log
        self._prefix = prefix

    def respond(
        self,
        request: Request,
        status: int,
        body: bytes,
        content_type: bytes = b"application/json",
        headers: bytes = b"",
        code: str | None = None,
    ) -> None:
        """``headers`` are more header lines, each ended by CRLF; ``code``: that of an error."""
        self._metrics.count(self._label(request.path), status)
        seconds = time.perf_counter() - request.received
        self._access_log.add(request.client, request.method, request.path, status, request.id, seconds, 0, None, code)
        request.respond(status, body, content_type, headers)

    def error(self, request: Request, status: int, code: str, message: str, headers: bytes = b"") -> None:
        """An error that no model and no worker has to do with."""
        body = self._dialect(request.path).error_body(code, message, [])
        self.respond(request, status, body, headers=headers, code=code)

    def wrong_method(self, request: Request, methods: Iterable[bytes]) -> None:
        """The path takes ``methods``, and this is none of them."""
        allowed = b", ".join(sorted(methods))
        message = f"this path takes {allowed.decode()}, not {request.method.decode('latin-1')}"
        self.error(request, 405, "METHOD_NOT_ALLOWED", message, headers=b"allow: %s\r\n" % allowed)

    def nowhere(self, request: Request, paths: Iterable[bytes]) -> None:
        """Nothing is at this path; ``paths`` are those that there are."""
        if self._dialect(request.path) is OpenInference:
            models = f"{self._prefix}/v2/models/".encode()
            known = [path for path in paths if path.startswith(models) and path.endswith(b"/infer")]
        else:
            known = [path for path in paths if b"/v2/" not in path]
        there = ", ".join(path.decode() for path in known[:MAX_KNOWN])
        message = f"nothing is served at this path; there is {there}{', …' if len(known) > MAX_KNOWN else ''}"
        self.error(request, 404, "NOT_FOUND", message)

    def _label(self, path: bytes) -> str:
        """The route's name in the metrics."""
        name = path.decode("latin-1").removeprefix(self._prefix) or "/"
        if name in ROUTE_INDEX:
            return name
        return "documents" if name in _DOCUMENTS else "other"

    def _dialect(self, path: bytes) -> type[ScoringRoute]:
        name = path.decode("latin-1").removeprefix(self._prefix)
        if name == "/score":
            return Score
        return OpenInference if name == "/v2" or name.startswith("/v2/") else Invocations
