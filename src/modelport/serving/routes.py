"""What is answered where: the table of paths, the key, and the small routes that ask no worker."""

import hmac
import logging
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import modelport_runtime
from modelport.serving.access_log import AccessLog
from modelport.serving.http import Request
from modelport.serving.invocations import Invocations
from modelport.serving.metrics import ROUTE_INDEX, Metrics
from modelport.serving.open_inference import OpenInference
from modelport.serving.score import Score
from modelport.serving.scoring_route import ScoringRoute
from modelport.serving.served_model import ServedModel
from modelport.workers.pool import Pool

log = logging.getLogger("modelport.routes")

MLFLOW_FORMAT_VERSION = "3.17.2"
"""The MLflow whose model format and scoring protocol we speak; what `/version` answers."""

_OPEN_ROUTES = (b"/ping", b"/health", b"/", b"/v2/health/live", b"/v2/health/ready")
"""Answered without a key: they tell nothing but whether the model is there. So is `/docs`, which knows nothing by itself."""
_GET = frozenset({b"GET"})
_READ = frozenset({b"GET", b"HEAD"})
_POST = frozenset({b"POST"})

Handler = Callable[[Request], None]


class Routes:
    """The application behind the HTTP server. One row of a routing table: one model at the root."""

    def __init__(
        self,
        pool: Pool,
        metrics: Metrics,
        access_log: AccessLog,
        model: ServedModel,
        *,
        api_key: str | None,
        tracebacks: bool,
        timing: bool,
        max_body: int,
    ) -> None:
        self._pool = pool
        self._metrics = metrics
        self._access_log = access_log
        self._model = model
        self._api_key = api_key
        self._authorization = f"Bearer {api_key}".encode() if api_key else None
        self._now = time.perf_counter
        shared: dict[str, Any] = {"tracebacks": tracebacks, "timing": timing}
        self._invocations = Invocations(pool, metrics, access_log, model, max_body=max_body, **shared)
        self._score = Score(pool, metrics, access_log, model, **shared)
        self._open_inference = open_inference = OpenInference(pool, metrics, access_log, model, **shared)
        self._routes: dict[bytes, tuple[frozenset[bytes], Handler]] = {
            b"/invocations": (_POST, self._invocations),
            b"/score": (frozenset({b"GET", b"POST", b"OPTIONS"}), self._score),
            **dict.fromkeys(open_inference.infer_paths, (_POST, open_inference)),
            **{path: (_READ, handler) for path, handler in open_inference.small_routes(self._respond).items()},
            b"/ping": (_READ, self._ping),
            b"/health": (_READ, self._ping),
            b"/": (_READ, self._healthy),
            b"/version": (_GET, self._version),
            b"/metrics": (_GET, self._show_metrics),
            b"/openapi.json": (_GET, self._openapi),
            b"/swagger.json": (_GET, self._swagger),
            b"/docs": (_GET, self._docs),
        }

    def __call__(self, request: Request) -> None:
        """Answer a request; the answer may come later."""
        route = self._routes.get(request.path)
        if route is None:
            self._other(request)
            return
        methods, handle = route
        if request.method not in methods:
            allowed = b", ".join(sorted(methods))
            message = f"this path takes {allowed.decode()}, not {request.method.decode('latin-1')}"
            self._error(request, 405, "METHOD_NOT_ALLOWED", message, headers=b"allow: %s\r\n" % allowed)
        elif self._authorization is not None and not self._allowed(request):
            message = "this server wants its key: send the header 'Authorization: Bearer KEY'"
            self._error(request, 401, "UNAUTHENTICATED", message, headers=b"www-authenticate: Bearer\r\n")
        else:
            handle(request)

    def _other(self, request: Request) -> None:
        """A path that is in no table: a file of the documentation, or nothing."""
        if request.path.startswith(b"/docs/") and request.method in _GET:
            self._docs(request)
        elif request.path.startswith(b"/v2/"):
            self._open_inference.unknown(request)
        else:
            known = ", ".join(path.decode() for path in self._routes)
            self._error(request, 404, "NOT_FOUND", f"nothing is served at this path; there is {known}")

    def _allowed(self, request: Request) -> bool:
        if request.path in _OPEN_ROUTES or request.path == b"/docs":
            return True
        if request.method == b"OPTIONS":
            return True  # a browser asks with it whether it may send the key
        assert self._authorization is not None
        return hmac.compare_digest(request.headers.get(b"authorization", b""), self._authorization)

    # -- state ---------------------------------------------------------------------------------------------------------

    def _ping(self, request: Request) -> None:
        if self._pool.ready:
            self._respond(request, 200, b"\n")
        else:
            self._error(request, 503, "NOT_READY", "no worker is ready", headers=b"retry-after: 1\r\n")

    def _healthy(self, request: Request) -> None:
        """Azure's probe."""
        if self._pool.ready:
            self._respond(request, 200, b"Healthy", b"text/plain; charset=utf-8")
        else:
            self._respond(request, 503, b"Unhealthy", b"text/plain; charset=utf-8", b"retry-after: 1\r\n", "NOT_READY")

    def _version(self, request: Request) -> None:
        ours = b"x-modelport-version: %s\r\n" % modelport_runtime.__version__.encode()
        self._respond(request, 200, MLFLOW_FORMAT_VERSION.encode(), b"text/plain; charset=utf-8", ours)

    def _show_metrics(self, request: Request) -> None:
        from modelport.serving import exposition  # not at start: the library costs a tenth of it

        self._respond(request, 200, exposition.text(self._metrics), b"text/plain; version=0.0.4; charset=utf-8")

    # -- documents -----------------------------------------------------------------------------------------------------

    def _openapi(self, request: Request) -> None:
        from modelport.serving import openapi  # nor these: few ask for them

        self._document(request, openapi.document(self._model, self._api_key is not None))

    def _swagger(self, request: Request) -> None:
        from modelport.serving import swagger

        version = urllib.parse.parse_qs(request.query.decode("latin-1")).get("version", ["2"])[-1]
        document = swagger.document(self._model, version)
        if document is None:
            message = f"there is no document of version '{version[:20]}'; there is 2, 2.0, 3, 3.0, 3.1"
            self._error(request, 404, "NOT_FOUND", message)
        else:
            self._document(request, document)

    def _document(self, request: Request, document: dict[str, Any]) -> None:
        import orjson

        self._respond(request, 200, orjson.dumps(document))

    def _docs(self, request: Request) -> None:
        from modelport.serving import docs_page

        file = docs_page.page(request.path.decode("latin-1"))
        if file is None:
            self._error(request, 404, "NOT_FOUND", "the documentation has no such file; it begins at /docs")
            return
        content_type, body = file
        policy = b"content-security-policy: %s\r\n" % docs_page.CONTENT_SECURITY_POLICY.encode()
        self._respond(request, 200, body, content_type, policy)

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
        self._metrics.count(self._label(request.path), status)
        seconds = self._now() - request.received
        self._access_log.add(request.client, request.method, request.path, status, request.id, seconds, 0, None, code)
        request.respond(status, body, content_type, headers)

    def _label(self, path: bytes) -> str:
        """The route's name in the metrics."""
        name = path.decode("latin-1")
        if name in ROUTE_INDEX:
            return name
        return "documents" if path in (b"/openapi.json", b"/swagger.json", b"/docs") else "other"

    def _error(self, request: Request, status: int, code: str, message: str, headers: bytes = b"") -> None:
        """An error that looks as the dialect of the path has it."""
        dialect: ScoringRoute = self._invocations
        if request.path == b"/score":
            dialect = self._score
        elif request.path == b"/v2" or request.path.startswith(b"/v2/"):
            dialect = self._open_inference
        self._respond(request, status, dialect.error_body(code, message, []), headers=headers, code=code)
