"""`/score`: the dialect of Azure ML's no-code deployments, JSON only.

A body goes to the worker as it came, and the answer is the bare prediction. What the model itself does wrong is 424, as at an
Azure endpoint, never a 500 of the server.
"""

import json
import os
import urllib.parse
from collections.abc import Mapping
from typing import Any

import orjson

import modelport_runtime
from modelport.serving.http import Request
from modelport.serving.scoring_route import COMPRESSED, ScoringCall, ScoringRoute, log, read_mime
from modelport.workers.head import head

AZURE_STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "DEADLINE_EXCEEDED": 408,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "MODEL_FAILED": 424,
    "WORKER_DIED": 424,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "HEADERS_TOO_LARGE": 431,
    "INTERNAL_ERROR": 500,
    "NOT_READY": 503,
}
"""Error code → HTTP status, as callers of an Azure ML endpoint know them."""
MAX_ID = 100
"""Characters of a request id."""

_HEAD = head("json", "azure", "strict")
_ID_HEADERS = (b"x-request-id", b"x-ms-request-id", b"x-ms-client-request-id")
_VERSION = b"x-ms-server-version: modelport/%s\r\n" % modelport_runtime.__version__.encode()


class Score(ScoringRoute):
    """POST a JSON body, or GET with the same names in the query; OPTIONS for browsers of other origins.

    Those are the comma-separated origins in the environment variable AML_CORS_ORIGINS; none when it is not set.
    """

    route = "/score"
    statuses = AZURE_STATUS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._origins = allowed_origins()

    def __call__(self, request: Request) -> None:
        for names in (_ID_HEADERS[:1], _ID_HEADERS[1:]):
            if any(len(request.headers.get(name, b"")) > MAX_ID for name in names):
                message = f"{b' and '.join(names).decode()} must not exceed {MAX_ID} characters"
                self.refuse(request, "HEADERS_TOO_LARGE", message)
                return
        if request.method == b"OPTIONS":
            self._preflight(request)
        elif request.method == b"GET":
            self.submit(ScoringCall(_HEAD, body_of_query(request.query), request, self.answer))
        elif not _is_json(request.headers.get(b"content-type", b"")):
            self.refuse(request, "UNSUPPORTED_MEDIA_TYPE", "Expects Content-Type to be application/json")
        elif request.headers.get(b"content-encoding", b"identity") != b"identity":
            self.refuse(request, "UNSUPPORTED_MEDIA_TYPE", COMPRESSED)
        else:
            self.submit(ScoringCall(_HEAD, request.body, request, self.answer))

    def _preflight(self, request: Request) -> None:
        self.note(request, 200)
        request.respond(200, b"", b"text/plain; charset=utf-8", preflight_headers(request, self._origins))

    # -- errors --------------------------------------------------------------------------------------------------------

    @staticmethod
    def error_body(code: str, message: str, details: list[Any], **more: Any) -> bytes:
        return orjson.dumps({"message": "\n".join(text for text in (message, *more.values()) if text)})

    def refuse(self, request: Request, code: str, message: str, headers: bytes = b"") -> None:
        headers += _model_error(self.container_status({"code": code}))
        super().refuse(request, code, message, headers + common_headers(request, False, self._origins))

    def container_status(self, error: Mapping[str, Any]) -> int | None:
        """What Azure's container of a model answers to this, where its endpoint makes 424 of it; None where it does not."""
        return 500 if _model_failed(error) else None

    def status_of(self, error: Mapping[str, Any]) -> int:
        if self.container_status(error) is not None:
            return AZURE_STATUS["MODEL_FAILED"]
        return super().status_of(error)

    def failure(self, call: ScoringCall) -> tuple[int, bytes]:
        """As for every dialect; but what the model raises is 424, whatever code it gave its exception."""
        error = call.error
        assert error is not None
        if error.get("type") == "ModelFailed":
            raised = [f": {detail['message']}" for detail in error["details"] if "message" in detail]
            log.error("request %s failed: %s\n%s", call.request.id.decode(), error["message"], error["traceback"] or "")
            shown = error["traceback"] if self._tracebacks else None
            message = "".join((error["message"], *raised[:1]))
            return AZURE_STATUS["MODEL_FAILED"], self.error_body("", message, [], hint=error["hint"], stack_trace=shown)
        return super().failure(call)

    # -- headers -------------------------------------------------------------------------------------------------------

    def answer_headers(self, call: ScoringCall) -> bytes:
        error, phases = call.error, call.facts.get("phases")
        lines = super().answer_headers(call)
        if error is None:
            lines += common_headers(call.request, False, self._origins)
            if phases is not None:
                lines += b"x-ms-run-fn-exec-ms: %.3f\r\n" % (sum(phases[1:]) / 1000)
            return lines
        lines += common_headers(call.request, _model_failed(error), self._origins)
        return lines + _model_error(self.container_status(error))


def allowed_origins() -> frozenset[bytes]:
    """Whose pages may read answers in a browser: AML_CORS_ORIGINS."""
    origins = os.environ.get("AML_CORS_ORIGINS", "").split(",")
    return frozenset(origin.strip().lower().encode() for origin in origins if origin.strip())


def preflight_headers(request: Request, origins: frozenset[bytes]) -> bytes:
    """What a browser is told that asks whether it may ask."""
    headers = common_headers(request, False, origins) + b"allow: GET, OPTIONS, POST\r\n"
    if b"access-control-allow-origin" in headers and b"access-control-request-method" in request.headers:
        headers += b"access-control-allow-methods: GET, POST\r\n"
        wanted = request.headers.get(b"access-control-request-headers")
        if wanted:
            headers += b"access-control-allow-headers: %s\r\n" % wanted
    return headers


def common_headers(request: Request, failed: bool, origins: frozenset[bytes]) -> bytes:
    """What every answer has: whether the model failed, ids, the server's version, and who may read it in a browser."""
    given = [request.headers.get(name, b"") for name in _ID_HEADERS]
    _, legacy_id, client_id = (id if len(id) <= MAX_ID else b"" for id in given)
    lines = b"x-ms-run-function-failed: %s\r\nx-ms-request-id: %s\r\n" % (
        b"True" if failed else b"False",
        legacy_id or client_id or request.id,
    )
    if client_id or legacy_id:
        lines += b"x-ms-client-request-id: %s\r\n" % (client_id or legacy_id)
    if origins:
        origin = request.headers.get(b"origin")
        lines += b"vary: Origin\r\n"
        if origin is not None and (b"*" in origins or origin.lower() in origins):
            lines += b"access-control-allow-origin: %s\r\n" % origin
    return lines + _VERSION


def _model_failed(error: Mapping[str, Any]) -> bool:
    return error.get("type") == "ModelFailed" or error["code"] == "WORKER_DIED"


def _model_error(status: int | None) -> bytes:
    """The headers of a 424: ``status`` is what the model's container would have answered."""
    if status is None:
        return b""
    return b"ms-azureml-model-error-statuscode: %d\r\nms-azureml-model-error-reason: model_error\r\n" % status


def body_of_query(query: bytes) -> bytes:
    """A query as the JSON object it stands for: each value read as JSON where it is some, a repeated name as a list."""
    named: dict[str, list[str]] = {}
    for name, value in urllib.parse.parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True):
        named.setdefault(name, []).append(value if _is_document(value) else json.dumps(value))
    members = (
        f"{json.dumps(name)}: {values[0] if len(values) == 1 else '[' + ', '.join(values) + ']'}"
        for name, values in named.items()
    )
    return ("{" + ", ".join(members) + "}").encode()


def _is_document(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_json(content_type: bytes) -> bool:
    """``application/json`` or any ``application/...+json``, whatever its parameters."""
    mime, _ = read_mime(content_type)
    return mime == b"application/json" or (mime.startswith(b"application/") and mime.endswith(b"+json"))
