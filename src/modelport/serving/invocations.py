"""`/invocations`: MLflow's dialect. JSON and CSV go to the worker as they came; Parquet and Arrow as column blocks."""

import asyncio
import re
import urllib.parse
from functools import partial
from typing import Any, NamedTuple

from modelport.serving.http import Request, error_body
from modelport.serving.scoring_route import (
    COMPRESSED,
    WRONG_CHARSET,
    ScoringCall,
    ScoringRoute,
    log,
    read_mime,
    shown,
)
from modelport.serving.status import MLFLOW_STATUS
from modelport.workers.call import Stream
from modelport.workers.head import head
from modelport_runtime.errors import InvalidInput

CONTENT_TYPES = {
    b"application/json": "json",
    b"text/csv": "csv",
    b"application/csv": "csv",
    b"application/vnd.apache.parquet": "parquet",
    b"application/vnd.apache.arrow.stream": "arrow",
}
_READ = ("application/json", "text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream")
"""As they are named to a client that sent something else."""
ANSWER_TYPES = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "parquet": b"application/vnd.apache.parquet",
    "arrow": b"application/vnd.apache.arrow.stream",
    "events": b"text/event-stream",
}
_ACCEPTED = {
    **CONTENT_TYPES,
    b"text/event-stream": "events",
    b"text/*": "csv",
    b"application/*": "json",
    b"*/*": "json",
}
_MAX_PLANS = 256
"""Different combinations of headers remembered."""
_COLUMNAR = ("csv", "parquet", "arrow")
_QUALITY = re.compile(rb";\s*q\s*=\s*([^;\s]+)")
_Headers = tuple[bytes | None, bytes | None, bytes | None]


class _Plan(NamedTuple):
    """What the headers of a request ask for: the carrier of its body, that of its answer, or why it is refused."""

    content: str
    answer: str
    head: bytes = b""
    """Of the frame; the worker answers in columns what becomes CSV, Parquet or Arrow here."""
    refusal: tuple[str, str] | None = None
    """Error code and message."""


class Invocations(ScoringRoute):
    """The route of MLflow's scoring server, with more carriers in both directions."""

    route = "/invocations"
    statuses = MLFLOW_STATUS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._max_body: int = options.pop("max_body")
        super().__init__(*arguments, **options)
        self._plans: dict[_Headers, _Plan] = {}

    @staticmethod
    def error_body(code: str, message: str, details: list[Any], **more: Any) -> bytes:
        return error_body(code, message, details, **more)

    def __call__(self, request: Request) -> None:
        headers = request.headers
        asked = (headers.get(b"content-type"), headers.get(b"accept"), headers.get(b"content-encoding"))
        plan = self._plans.get(asked)
        if plan is None:
            plan = self._plan(*asked)
            if len(self._plans) < _MAX_PLANS:
                self._plans[asked] = plan
        if request.query and _wants_stream(request.query):
            plan = self._plan(asked[0], b"text/event-stream", asked[2])
        if plan.refusal is not None:
            self.refuse(request, *plan.refusal)
        elif plan.content in _COLUMNAR[1:]:
            self._decode(request, plan)
        else:
            self._score(request, plan, request.body)

    def _plan(self, content_type: bytes | None, accept: bytes | None, encoding: bytes | None) -> _Plan:
        content, problem = read_content_type(content_type)
        answer = read_accept(accept, self.model.streams)
        if problem is not None:
            return _Plan(content, answer, refusal=("UNSUPPORTED_MEDIA_TYPE", problem))
        if encoding not in (None, b"identity"):
            return _Plan(content, answer, refusal=("UNSUPPORTED_MEDIA_TYPE", COMPRESSED))
        if answer == "events" and not self.model.streams:
            message = (
                "this model cannot stream: it has no predict_stream; ask without stream=true and text/event-stream"
            )
            return _Plan(content, answer, refusal=("NOT_ACCEPTABLE", message))
        form = "stream" if answer == "events" else "columns" if answer in _COLUMNAR else "json"
        carried = "columns" if content in _COLUMNAR[1:] else content
        return _Plan(content, answer, head(carried, "mlflow", "lenient", form))

    def _score(self, request: Request, plan: _Plan, body: bytes) -> None:
        call = ScoringCall(plan.head, body, request, self.answer)
        if plan.answer != "json":
            call.answer_as = plan.answer
            if plan.answer == "events":
                call.stream = Stream(partial(self._send_piece, call))
        self.submit(call)

    # -- Parquet, Arrow and CSV, made by pyarrow in a thread ---------------------------------------------------------------

    def _decode(self, request: Request, plan: _Plan) -> None:
        if self.pool.full:
            self.refuse_overload(request)
            return
        from modelport import columnar  # not at start: few servers are sent any

        self.pool.coming += 1
        loop = asyncio.get_running_loop()
        decoding = loop.run_in_executor(None, columnar.decode, plan.content, request.body, self._max_body)
        request.on_disconnect = lambda: _cancel(decoding)
        decoding.add_done_callback(partial(self._decoded, request, plan))

    def _decoded(self, request: Request, plan: _Plan, decoding: "asyncio.Future[bytes]") -> None:
        self.pool.coming -= 1
        if decoding.cancelled():
            return  # its client is gone
        error = decoding.exception()
        if error is None:
            self._score(request, plan, decoding.result())
        elif isinstance(error, InvalidInput):
            self.refuse(request, error.code, error.message)
        else:
            log.error("cannot decode a body", exc_info=error)
            self.refuse(request, "INTERNAL_ERROR", "the server failed to decode this body")

    def answer(self, call: ScoringCall) -> None:
        if call.stream is not None:
            self._end_stream(call, call.stream)
        elif call.error is not None:
            super().answer(call)
        elif call.answer_as == "json":
            self.respond(call, 200, call.answer)
        else:
            from modelport import columnar

            encoding = asyncio.get_running_loop().run_in_executor(None, columnar.encode, call.answer, call.answer_as)
            encoding.add_done_callback(partial(self._encoded, call))

    def _encoded(self, call: ScoringCall, encoding: "asyncio.Future[bytes]") -> None:
        error = encoding.exception()
        if error is None:
            self.respond(call, 200, encoding.result(), ANSWER_TYPES[call.answer_as])
        else:
            log.error("cannot encode an answer", exc_info=error)
            message = f"the prediction cannot be written as {ANSWER_TYPES[call.answer_as].decode()}"
            self.respond(call, 500, error_body("INTERNAL_ERROR", message), code="INTERNAL_ERROR")

    # -- server-sent events ------------------------------------------------------------------------------------------------

    def _send_piece(self, call: ScoringCall, data: bytes) -> None:
        assert call.stream is not None
        if call.stream.pieces == 1:
            self._begin_stream(call)
        if not call.request.write(data):
            call.stream.paused = True

    def _begin_stream(self, call: ScoringCall) -> None:
        call.request.begin(200, ANSWER_TYPES["events"], b"cache-control: no-cache\r\n")
        call.request.on_resume = lambda: self.pool.resume(call)

    def _end_stream(self, call: ScoringCall, stream: Stream) -> None:
        if call.error is not None and not stream.pieces:
            super().answer(call)  # nothing was sent yet, so the client gets the status that says what is wrong
            return
        if not stream.pieces:
            self._begin_stream(call)
        request, code = call.request, None
        if call.error is not None:
            code = call.error["code"]
            request.write(b"event: error\ndata: %s\n\n" % self.failure(call)[1])
        request.write(b"data: [DONE]\n\n")
        request.on_resume = None
        self.account(call, 200, code)
        request.end()


def read_content_type(header: bytes | None) -> tuple[str, str | None]:
    """The carrier that a Content-Type names, and why it is refused; None: it is not."""
    supported = f"this server reads {', '.join(_READ[:-1])} and {_READ[-1]}"
    if header is None:
        return "", f"the request has no Content-Type; {supported}"
    mime, is_utf8 = read_mime(header)
    carrier = CONTENT_TYPES.get(mime)
    if carrier is None:
        return "", f"cannot read '{shown(mime)}'; {supported}"
    return carrier, None if is_utf8 else WRONG_CHARSET


def read_accept(header: bytes | None, streams: bool) -> str:
    """What an Accept header prefers among what can be sent (RFC 9110, 12.5.1); JSON where it names nothing of that.

    A model that does not stream is asked for events only by a client that takes nothing else.
    """
    best, best_quality = "json", 0.0
    if header == b"text/event-stream":
        return "events"
    for media_range in (header or b"").lower().split(b","):
        carrier = _ACCEPTED.get(media_range.partition(b";")[0].strip())
        quality = _QUALITY.search(media_range)
        try:
            weight = float(quality.group(1)) if quality else 1.0
        except ValueError:
            continue
        if carrier is not None and weight > best_quality and (streams or carrier != "events"):
            best, best_quality = carrier, weight
    return best


def _cancel(work: "asyncio.Future[bytes]") -> None:
    work.cancel()


def _wants_stream(query: bytes) -> bool:
    values = urllib.parse.parse_qs(query.decode("latin-1")).get("stream", ["false"])
    return values[-1].lower() in ("true", "1")
