"""Inference by the Open Inference Protocol over HTTP, with the binary tensor extension.

A request's tensors go to the worker as they came, JSON and binary data together; which bytes are JSON is said beside them.
"""

import urllib.parse
from typing import Any

import orjson

from modelport.serving.http import Request
from modelport.serving.scoring_route import COMPRESSED, WRONG_CHARSET, ScoringCall, ScoringRoute, read_mime, shown
from modelport.workers.head import head

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


def error(message: str, **more: Any) -> bytes:
    """The body of an error: the protocol's ``error``, and whatever else is known of it."""
    return orjson.dumps({"error": message, **{key: value for key, value in more.items() if value}})


class OpenInference(ScoringRoute):
    """The route of an inference request."""

    route = "/v2/infer"
    statuses = INFER_STATUS

    def model_paths(self) -> list[bytes]:
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

    @staticmethod
    def error_body(code: str, message: str, details: list[Any], **more: Any) -> bytes:
        return error(message, error_code=code, details=details, **more)


def read_content_type(header: bytes | None) -> str | None:
    """Why a body of this type is not read; None: it is. Clients of the protocol often send no type at all."""
    if header is None:
        return None
    mime, is_utf8 = read_mime(header)
    if mime not in CONTENT_TYPES:
        return f"cannot read '{shown(mime)}'; this path reads application/json and application/octet-stream"
    return None if is_utf8 else WRONG_CHARSET
