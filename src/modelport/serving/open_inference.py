"""`/v2`: the Open Inference Protocol over HTTP, with the binary tensor extension.

A request's tensors go to the worker as they came, JSON and binary data together; which bytes are JSON is said beside them.
"""

import urllib.parse
from collections.abc import Callable
from typing import Any

import orjson

from modelport.serving.http import Request
from modelport.serving.scoring_route import COMPRESSED, WRONG_CHARSET, ScoringCall, ScoringRoute, head, read_mime, shown

INFER_STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "NOT_FOUND": 404,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "MODEL_FAILED": 500,
    "NOT_READY": 503,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Error code → HTTP status: the client's fault is 400, the model's own is 500."""
CONTENT_TYPES = (b"application/json", b"application/octet-stream")

_HEAD = head("json", "v2", "strict")
VERSION = "1"
"""The only version of the model; what `write` in the runtime's `payload/open_inference` answers."""
_JSON_SIZE = b"inference-header-content-length"

Respond = Callable[..., None]
"""As ``Routes._respond``: (request, status, body, content_type, headers, code)."""


def error(message: str, **more: Any) -> bytes:
    """The body of an error: the protocol's ``error``, and whatever else is known of it."""
    return orjson.dumps({"error": message, **{key: value for key, value in more.items() if value}})


class OpenInference(ScoringRoute):
    """The route of an inference request; ``small_routes`` are those that no worker is asked for."""

    route = "/v2/infer"
    statuses = INFER_STATUS

    @property
    def infer_paths(self) -> tuple[bytes, ...]:
        return tuple(path + b"/infer" for path in self._model_paths())

    def _model_paths(self) -> list[bytes]:
        """Where the model is: its name as it may be written in a URL, with and without the version."""
        name = self.model.name
        names = {name, urllib.parse.quote(name), urllib.parse.quote(name, safe="")}
        roots = [f"/v2/models/{written}".encode() for written in sorted(names)]
        return [*roots, *(root + b"/versions/" + VERSION.encode() for root in roots)]

    # -- inference -----------------------------------------------------------------------------------------------------

    def __call__(self, request: Request) -> None:
        headers = request.headers
        problem = read_content_type(headers.get(b"content-type"))
        if problem is None and headers.get(b"content-encoding", b"identity") != b"identity":
            problem = COMPRESSED
        if problem is not None:
            self.refuse(request, "UNSUPPORTED_MEDIA_TYPE", problem)
            return
        size = headers.get(_JSON_SIZE)
        if size is None:
            self.submit(ScoringCall(_HEAD, request.body, request, self.answer))
        elif size.isdigit() and 0 < int(size[:20]) <= len(request.body):
            self.submit(
                ScoringCall(head("json", "v2", "strict", json_size=int(size)), request.body, request, self.answer)
            )
        else:
            message = (
                f"'Inference-Header-Content-Length' must be the size of the JSON part, from 1 to {len(request.body)} "
                "for this body"
            )
            self.refuse(request, "BAD_REQUEST", message)

    def answer(self, call: ScoringCall) -> None:
        if call.error is None and call.facts.get("json_size") is not None:
            self.respond(call, 200, call.answer, b"application/octet-stream")
            return
        if call.error is not None and call.error.get("type") == "ModelFailed" and call.error["code"] == "BAD_REQUEST":
            call.error = {**call.error, "code": "MODEL_FAILED"}  # its code is that of MLflow's server
        super().answer(call)

    def answer_headers(self, call: ScoringCall) -> bytes:
        size = call.facts.get("json_size")
        lines = super().answer_headers(call)
        return lines if size is None else lines + b"%s: %d\r\n" % (_JSON_SIZE, size)

    def error_body(self, code: str, message: str, details: list[Any], **more: Any) -> bytes:
        return error(message, error_code=code, details=details, **more)

    def unknown(self, request: Request) -> None:
        """Nothing is served at this path below ``/v2``."""
        message = f"nothing is served at this path; the model's name is '{self.model.name}' and its version '{VERSION}'"
        self.refuse(request, "NOT_FOUND", message)

    # -- the small ones ------------------------------------------------------------------------------------------------

    def small_routes(self, respond: Respond) -> dict[bytes, Callable[[Request], None]]:
        """Paths for GET → what answers them, by ``respond``."""

        def live(request: Request) -> None:
            respond(request, 200, b'{"live":true}')

        def ready(request: Request) -> None:
            self._respond_ready(request, respond, {"ready": True})

        def model_ready(request: Request) -> None:
            self._respond_ready(request, respond, {"name": self.model.name, "ready": True})

        def server(request: Request) -> None:
            from modelport.serving import metadata  # not at start: few clients ask for it

            respond(request, 200, orjson.dumps(metadata.server_metadata()))

        def model(request: Request) -> None:
            from modelport.serving import metadata

            respond(request, 200, orjson.dumps(metadata.model_metadata(self.model)))

        routes: dict[bytes, Callable[[Request], None]] = {
            b"/v2": server,
            b"/v2/": server,
            b"/v2/health/live": live,
            b"/v2/health/ready": ready,
        }
        for path in self._model_paths():
            routes[path] = model
            routes[path + b"/ready"] = model_ready
        return routes

    def _respond_ready(self, request: Request, respond: Respond, document: dict[str, Any]) -> None:
        if self.pool.ready:
            respond(request, 200, orjson.dumps(document))
        else:
            respond(request, 503, error("no worker is ready"), headers=b"retry-after: 1\r\n", code="NOT_READY")


def read_content_type(header: bytes | None) -> str | None:
    """Why a body of this type is not read; None: it is. Clients of the protocol often send no type at all."""
    if header is None:
        return None
    mime, is_utf8 = read_mime(header)
    if mime not in CONTENT_TYPES:
        return f"cannot read '{shown(mime)}'; this path reads application/json and application/octet-stream"
    return None if is_utf8 else WRONG_CHARSET
