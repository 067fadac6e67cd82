"""What the dialects share: a request becomes a call to the pool, and its answer is counted, logged and sent."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from modelport.serving.access_log import AccessLog
from modelport.serving.http import Request
from modelport.serving.metrics import PHASES, Metrics
from modelport.serving.served_model import ServedModel
from modelport.workers.call import Call
from modelport.workers.pool import Overloaded, Pool

log = logging.getLogger("modelport.routes")

COMPRESSED = "compressed bodies are not read; send the body as it is"
WRONG_CHARSET = "the charset must be utf-8"


class ScoringCall(Call):
    """A call to the pool, with the request it answers and what the route has to remember of it."""

    answer_as = "json"

    def __init__(self, head: bytes, body: bytes, request: Request, on_done: Callable[[Any], None]) -> None:
        super().__init__(head, body, on_done)
        self.request = request


class ScoringRoute:
    """A route that answers with predictions. A dialect says how errors look, and perhaps which headers an answer has."""

    route: ClassVar[str]
    """The route's name in the metrics."""
    statuses: ClassVar[Mapping[str, int]]
    """Error code → HTTP status. A code that is not there is the server's own failure: 500."""

    def __init__(
        self, pool: Pool, metrics: Metrics, access_log: AccessLog, model: ServedModel, *, tracebacks: bool, timing: bool
    ) -> None:
        self.pool = pool
        self.model = model
        self._metrics = metrics
        self._access_log = access_log
        self._tracebacks = tracebacks
        self._timing = timing
        self._now = time.perf_counter

    # -- what a dialect may say ----------------------------------------------------------------------------------------

    @staticmethod
    def error_body(code: str, message: str, details: list[Any], **more: Any) -> bytes:
        """The body of an error; ``more``: hint, stack_trace."""
        raise NotImplementedError

    def status_of(self, error: Mapping[str, Any]) -> int:
        """The status that tells of an error."""
        return self.statuses.get(error["code"], 500)

    def answer_headers(self, call: ScoringCall) -> bytes:
        """More header lines for an answer, each ended by CRLF: the time of each phase (Server-Timing), where it is wanted."""
        return self._phase_times(call) if self._timing else b""

    # -- the way of a request ------------------------------------------------------------------------------------------

    def submit(self, call: ScoringCall) -> None:
        """Have the call answered, or refuse it when too many are waiting."""
        request = call.request
        try:
            self.pool.submit(call)
        except Overloaded:
            self.refuse_overload(request)
            return
        request.on_disconnect = lambda: self.pool.cancel(call)
        if request.on_submitted is not None:
            request.on_submitted(self, call)

    def refuse_overload(self, request: Request) -> None:
        message = f"{self.pool.counted} requests are waiting already; try again later"
        self.refuse(request, "REQUEST_LIMIT_EXCEEDED", message, headers=b"retry-after: 1\r\n")

    def refuse(self, request: Request, code: str, message: str, headers: bytes = b"") -> None:
        """Answer a request that no worker is asked about."""
        status = self.status_of({"code": code})
        self.note(request, status, code)
        request.respond(status, self.error_body(code, message, []), headers=headers)

    def note(self, request: Request, status: int, code: str | None = None) -> None:
        """Count and log an answer that no worker was asked for."""
        self._metrics.count(self.route, status)
        seconds = self._now() - request.received
        self._access_log.add(request.client, request.method, request.path, status, request.id, seconds, 0, None, code)

    def answer(self, call: ScoringCall) -> None:
        """The call is done: send what came of it."""
        if call.error is None:
            self.respond(call, 200, call.answer)
        else:
            status, body = self.failure(call)
            self.respond(call, status, body, code=call.error["code"])

    def failure(self, call: ScoringCall) -> tuple[int, bytes]:
        """Status and body of the call's error."""
        error = call.error
        assert error is not None
        code = error["code"]
        status = self.statuses.get(code, 500)
        if status >= 500 and status != 504:
            id = call.request.id.decode()
            log.error("request %s failed: %s\n%s", id, error["message"], error["traceback"] or "")
        more = {"hint": error["hint"]}
        if self._tracebacks:
            more["stack_trace"] = error["traceback"]
        return self.status_of(error), self.error_body(code, error["message"], error["details"], **more)

    def respond(
        self,
        call: ScoringCall,
        status: int,
        body: bytes,
        content_type: bytes = b"application/json",
        code: str | None = None,
    ) -> None:
        """Send the answer, and count it."""
        self.account(call, status, code)
        call.request.respond(status, body, content_type, self.answer_headers(call))

    def account(self, call: ScoringCall, status: int, code: str | None) -> None:
        """Count and log the call's answer."""
        request = call.request
        request.on_disconnect = None  # it refers to the call, and the call to the request and its body
        facts = call.facts
        seconds = self._now() - request.received
        phases = facts.get("phases")
        self._metrics.observe(self.route, status, seconds, phases, facts.get("joined"))
        self._access_log.add(
            request.client,
            request.method,
            request.path,
            status,
            request.id,
            seconds,
            facts.get("rows", 0),
            phases,
            code,
        )

    def _phase_times(self, call: ScoringCall) -> bytes:
        phases = call.facts.get("phases")
        if phases is None:
            return b""
        times = ", ".join(f"{name};dur={value / 1000:g}" for name, value in zip(PHASES, phases, strict=True))
        return b"server-timing: %s\r\n" % times.encode()


def read_mime(header: bytes) -> tuple[bytes, bool]:
    """The mime type of a Content-Type, in lower case, and whether its charset is UTF-8; other parameters do not matter."""
    mime, *parameters = [part.strip().lower() for part in header.split(b";")]
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            return mime, False
    return mime, True


def shown(mime: bytes) -> str:
    """A mime type as it may stand in a message."""
    return mime.decode("latin-1").encode("ascii", "replace")[:100].decode()
