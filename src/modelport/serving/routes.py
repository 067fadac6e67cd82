"""What is answered where: each route reads what it needs of a request, makes one call, and formats the answer."""

import hmac
import logging
import time
from collections.abc import Callable
from typing import Any

import modelport_runtime
from modelport.serving.access_log import AccessLog
from modelport.serving.http import Request, error_body
from modelport.serving.metrics import Metrics
from modelport.serving.status import MLFLOW_STATUS
from modelport.workers.pool import Call, Overloaded, Pool

log = logging.getLogger("modelport.routes")

MLFLOW_FORMAT_VERSION = "3.17.2"
"""The MLflow whose model format and scoring protocol we speak; what `/version` answers."""

_HEADS = {
    "json": b'{"content":"json","policy":"lenient"}',
    "csv": b'{"content":"csv","policy":"lenient"}',
}
_MIME_TYPES = {b"application/json": "json", b"text/csv": "csv", b"application/csv": "csv"}
_MAX_CONTENT_TYPES = 256
_OPEN_ROUTES = (b"/ping", b"/health")
"""Answered without a key: they tell nothing but whether the model is there."""


class _Invocation(Call):
    """A call to the pool, with the request it answers."""

    __slots__ = ("request",)

    def __init__(self, head: bytes, request: Request, on_done: Callable[[Any], None]) -> None:
        super().__init__(head, request.body, on_done)
        self.request = request


class Routes:
    """The application behind the HTTP server. One row of a routing table: one model at the root."""

    def __init__(
        self, pool: Pool, metrics: Metrics, access_log: AccessLog, *, api_key: str | None, tracebacks: bool
    ) -> None:
        self._pool = pool
        self._metrics = metrics
        self._access_log = access_log
        self._authorization = f"Bearer {api_key}".encode() if api_key else None
        self._tracebacks = tracebacks
        self._content_types: dict[bytes | None, str | bytes] = {}
        self._now = time.perf_counter
        self._routes: dict[bytes, tuple[frozenset[bytes], Callable[[Request], None]]] = {
            b"/invocations": (frozenset({b"POST"}), self._invocations),
            b"/ping": (frozenset({b"GET", b"HEAD"}), self._ping),
            b"/health": (frozenset({b"GET", b"HEAD"}), self._ping),
            b"/version": (frozenset({b"GET"}), self._version),
            b"/metrics": (frozenset({b"GET"}), self._show_metrics),
        }

    def __call__(self, request: Request) -> None:
        """Answer a request; the answer may come later."""
        route = self._routes.get(request.path)
        if route is None:
            known = ", ".join(path.decode() for path in self._routes)
            self._error(request, 404, "NOT_FOUND", f"nothing is served at this path; there is {known}")
            return
        methods, handle = route
        if request.method not in methods:
            allowed = b", ".join(sorted(methods))
            message = f"this path takes {allowed.decode()}, not {request.method.decode('latin-1')}"
            self._error(request, 405, "METHOD_NOT_ALLOWED", message, headers=b"allow: %s\r\n" % allowed)
        elif not self._allowed(request):
            message = "this server wants its key: send the header 'Authorization: Bearer KEY'"
            self._error(request, 401, "UNAUTHENTICATED", message, headers=b"www-authenticate: Bearer\r\n")
        else:
            handle(request)

    def _allowed(self, request: Request) -> bool:
        if self._authorization is None or request.path in _OPEN_ROUTES:
            return True
        return hmac.compare_digest(request.headers.get(b"authorization", b""), self._authorization)

    # -- /invocations --------------------------------------------------------------------------------------------------

    def _invocations(self, request: Request) -> None:
        content = self._content(request.headers.get(b"content-type"))
        if isinstance(content, bytes):
            self._error(request, 415, "UNSUPPORTED_MEDIA_TYPE", content.decode())
            return
        if request.headers.get(b"content-encoding", b"identity") != b"identity":
            self._error(
                request, 415, "UNSUPPORTED_MEDIA_TYPE", "compressed bodies are not read; send the body as it is"
            )
            return
        call = _Invocation(_HEADS[content], request, self._answer)
        try:
            self._pool.submit(call)
        except Overloaded:
            message = f"{self._pool.open} requests are waiting already; try again later"
            self._error(request, 429, "REQUEST_LIMIT_EXCEEDED", message, headers=b"retry-after: 1\r\n")
            return
        request.on_disconnect = lambda: self._pool.cancel(call)

    def _answer(self, call: _Invocation) -> None:
        request = call.request
        request.on_disconnect = None  # it refers to the call, and the call to the request and its body
        error = call.error
        facts = call.facts
        code = None
        if error is None:
            status, body = 200, call.answer
        else:
            code = error["code"]
            status = MLFLOW_STATUS.get(code, 500)
            if status == 500:
                log.error("request %s failed: %s\n%s", request.id.decode(), error["message"], error["traceback"] or "")
            more = {"hint": error["hint"]}
            if self._tracebacks:
                more["stack_trace"] = error["traceback"]
            body = error_body(code, error["message"], error["details"], **more)
        seconds = self._now() - request.received
        phases = facts.get("phases")
        self._metrics.observe(status, seconds, phases, facts.get("joined"))
        rows = facts.get("rows", 0)
        self._access_log.add(
            request.client, request.method, request.path, status, request.id, seconds, rows, phases, code
        )
        request.respond(status, body)

    def _content(self, header: bytes | None) -> str | bytes:
        """The carrier named by a content type, or (as bytes) why there is none."""
        known = self._content_types.get(header)
        if known is None:
            known = _read_content_type(header)
            if len(self._content_types) < _MAX_CONTENT_TYPES:
                self._content_types[header] = known
        return known

    # -- the small ones ------------------------------------------------------------------------------------------------

    def _ping(self, request: Request) -> None:
        if self._pool.ready:
            self._respond(request, 200, b"\n")
        else:
            self._error(request, 503, "NOT_READY", "no worker is ready", headers=b"retry-after: 1\r\n")

    def _version(self, request: Request) -> None:
        ours = b"x-modelport-version: %s\r\n" % modelport_runtime.__version__.encode()
        self._respond(request, 200, MLFLOW_FORMAT_VERSION.encode(), b"text/plain; charset=utf-8", ours)

    def _show_metrics(self, request: Request) -> None:
        from modelport.serving import exposition  # not at start: the library costs a tenth of it

        self._respond(request, 200, exposition.text(self._metrics), b"text/plain; version=0.0.4; charset=utf-8")

    # -- answers -------------------------------------------------------------------------------------------------------

    def _respond(
        self,
        request: Request,
        status: int,
        body: bytes,
        content_type: bytes = b"application/json",
        headers: bytes = b"",
        code: str | None = None,
    ) -> None:
        path = request.path.decode("latin-1")
        self._metrics.count(path if request.path in self._routes else "other", status)
        seconds = self._now() - request.received
        self._access_log.add(request.client, request.method, request.path, status, request.id, seconds, 0, None, code)
        request.respond(status, body, content_type, headers)

    def _error(self, request: Request, status: int, code: str, message: str, headers: bytes = b"") -> None:
        self._respond(request, status, error_body(code, message), headers=headers, code=code)


def _read_content_type(header: bytes | None) -> str | bytes:
    supported = b"this server reads application/json and text/csv"
    if header is None:
        return b"the request has no Content-Type; " + supported
    mime, *parameters = [part.strip().lower() for part in header.split(b";")]
    carrier = _MIME_TYPES.get(mime)
    if carrier is None:
        return b"cannot read '%s'; %s" % (mime.decode("latin-1").encode("ascii", "replace")[:100], supported)
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            return b"the charset must be utf-8"
    return carrier
