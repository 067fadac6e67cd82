"""What is answered where: the table of paths, the key, and the routes that belong to the server and to no model."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

import modelport_runtime
from modelport.serving.access_log import AccessLog
from modelport.serving.answers import Answers
from modelport.serving.http import Request
from modelport.serving.metrics import Metrics
from modelport.serving.model_routes import GET, POST, READ, Entry, ModelRoutes
from modelport.serving.state import State

log = logging.getLogger("modelport.routes")

MLFLOW_FORMAT_VERSION = "3.17.2"
"""The MLflow whose model format and scoring protocol we speak; what `/version` answers."""

Reload = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Loads anew the models whose files have changed; says of each what became of it, ``error_code`` where it failed."""


class Routes:
    """The application behind the HTTP server: the routing table's models, and what is the server's own.

    ``metrics`` by model; those of the empty name, or of the only model, count what belongs to no model.
    """

    def __init__(
        self,
        metrics: dict[str, Metrics],
        access_log: AccessLog,
        *,
        ready: Callable[[], bool],
        api_key: str | None,
        on_reload: Reload,
    ) -> None:
        self._metrics = metrics
        self._authorization = f"Bearer {api_key}".encode() if api_key else None
        self._on_reload = on_reload
        self._reloading: set[asyncio.Future[Any]] = set()
        self._answers = answers = Answers(next(iter(metrics.values())), access_log, "")
        state = State(ready, answers)
        self._own: dict[bytes, Entry] = {
            **{path: Entry(READ, handle, answers, is_open=True) for path, handle in state.routes().items()},
            b"/version": Entry(GET, self._version, answers),
            b"/metrics": Entry(GET, self._show_metrics, answers),
            b"/-/reload": Entry(POST, self._reload, answers),
        }
        self._models: dict[str, ModelRoutes] = {}
        self._table = dict(self._own)

    def serve(self, name: str, routes: ModelRoutes) -> None:
        """From now on this is what is answered for the model of that name."""
        self._models[name] = routes
        self._table = dict(self._own)
        for model in self._models.values():
            self._table.update(model.table)

    def __call__(self, request: Request) -> None:
        """Answer a request; the answer may come later."""
        entry = self._table.get(request.path)
        if entry is None:
            self._other(request)
            return
        methods, handle, answers, is_open = entry
        if request.method not in methods:
            answers.wrong_method(request, methods)
        elif self._authorization is not None and not is_open and not self._allowed(request):
            message = "this server wants its key: send the header 'Authorization: Bearer KEY'"
            answers.error(request, 401, "UNAUTHENTICATED", message, headers=b"www-authenticate: Bearer\r\n")
        else:
            handle(request)

    def _other(self, request: Request) -> None:
        """A path that is in no table: a file of the documentation, or nothing."""
        if not any(model.other(request) for model in self._models.values()):
            self._answers.nowhere(request, self._table)

    def _allowed(self, request: Request) -> bool:
        if request.method == b"OPTIONS":
            return True  # a browser asks with it whether it may send the key
        assert self._authorization is not None
        return hmac.compare_digest(request.headers.get(b"authorization", b""), self._authorization)

    def _version(self, request: Request) -> None:
        ours = b"x-modelport-version: %s\r\n" % modelport_runtime.__version__.encode()
        self._answers.respond(request, 200, MLFLOW_FORMAT_VERSION.encode(), b"text/plain; charset=utf-8", ours)

    def _show_metrics(self, request: Request) -> None:
        from modelport.serving import exposition  # not at start: the library costs a tenth of it

        shown = exposition.text(self._metrics)
        self._answers.respond(request, 200, shown, b"text/plain; version=0.0.4; charset=utf-8")

    # -- loading models anew -------------------------------------------------------------------------------------------

    def _reload(self, request: Request) -> None:
        if self._authorization is None:
            message = "models are loaded anew by request only where the server has a key; send SIGHUP to its process"
            self._answers.error(request, 403, "PERMISSION_DENIED", message)
            return
        reloading = asyncio.ensure_future(self._on_reload())
        self._reloading.add(reloading)
        reloading.add_done_callback(lambda done: self._reloaded(request, done))

    def _reloaded(self, request: Request, done: "asyncio.Future[list[dict[str, Any]]]") -> None:
        self._reloading.discard(done)
        if done.cancelled() or done.exception() is not None:
            log.error("cannot load models anew", exc_info=None if done.cancelled() else done.exception())
            self._answers.error(request, 500, "INTERNAL_ERROR", "the server failed to load its models anew")
            return
        models = done.result()
        failed = [model for model in models if "error_code" in model]
        if not failed:
            self._answers.respond(request, 200, orjson.dumps({"models": models}))
            return
        names = ", ".join(model["name"] for model in failed)
        message = f"not loaded anew, and served as before: {names}"
        body = {"error_code": failed[0]["error_code"], "message": message, "models": models}
        self._answers.respond(request, 409, orjson.dumps(body), code=failed[0]["error_code"])
