"""``Guard``: what holds for every request, before any route is looked for: its id, who asks, its size, its log line."""

import logging
import re
import time
import uuid
from collections.abc import Callable

import anyio
import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelport.domain.operations import ControlPlane
from modelport.errors import ModelportError, Unauthenticated
from modelport.rest.errors import HttpError, answer

log = logging.getLogger("modelport.rest")
OPEN = frozenset({"/ping"})
"""Paths that need no key: a load balancer asks them."""
STREAMED = ("POST", "/api/v1/contents")
"""Read by its route, piece by piece; every other body is collected before."""
MAX_BODY = 4 << 20
"""Bytes of JSON: a hundred times the largest file anybody writes by hand."""
BODY_TIMEOUT = 60.0
"""Seconds that a body may take to arrive."""
MINUTE = 60.0
"""Seconds between two lines about requests without a valid key."""
_SAFE_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}\Z")
PlaneOf = Callable[[str | None], ControlPlane]
"""Bearer key → the plane of whoever has it.

Raises:
    Unauthenticated: nobody has it.
"""


class _Strangers:
    """Tells in the log of requests without a valid key: of the first one, then once a minute of how many there were."""

    def __init__(self) -> None:
        self._told = float("-inf")
        self._count = 0

    def seen(self, scope: Scope) -> None:
        self._count += 1
        now = time.monotonic()
        if now - self._told >= MINUTE:
            where = (scope.get("client") or ("somewhere",))[0]
            log.warning("requests without a valid key: %d, the last from %s", self._count, where)
            self._told, self._count = now, 0


class Guard:
    """ASGI middleware. Whoever has no valid key is told nothing, not even which paths there are."""

    def __init__(self, app: ASGIApp, plane_of: PlaneOf) -> None:
        self._app = app
        self._plane_of = plane_of
        self._strangers = _Strangers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what the server says about itself."""
        if scope["type"] == "http":
            await _Exchange(scope, receive, send).run(self._app, self._plane_of, self._strangers)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = dict(scope["headers"])
        given = self._headers.get(b"x-request-id", b"")
        self._id = given.decode() if _SAFE_ID.match(given) else str(uuid.uuid4())
        self._status = 0

    async def run(self, app: ASGIApp, plane_of: PlaneOf, strangers: _Strangers) -> None:
        scope = self._scope
        state = scope.setdefault("state", {})
        state["request_id"] = self._id
        began = time.perf_counter()
        try:
            if scope["path"] not in OPEN:
                state["plane"] = await anyio.to_thread.run_sync(plane_of, self._key())
            receive = self._receive
            if (scope["method"], scope["path"]) != STREAMED:
                receive = await self._collected()
            await app(scope, receive, self._answering)
        except ModelportError as error:
            if isinstance(error, Unauthenticated):
                strangers.seen(scope)
            await self._fail(error)
        except Exception:
            log.exception("request %s failed", self._id)
            if self._status:
                raise  # the answer has begun: the connection is cut, so that nobody takes it for whole
            await self._fail(ModelportError(f"the server failed: its log tells more under {self._id}"))
        finally:
            milliseconds = (time.perf_counter() - began) * 1000
            log.info("%s %s %d %.1f ms %s", scope["method"], scope["path"], self._status, milliseconds, self._id)

    async def _answering(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self._id.encode()), (b"cache-control", b"no-store")]
            message = {**message, "headers": headers}
        await self._send(message)

    async def _fail(self, error: ModelportError) -> None:
        await answer(error, self._id)(self._scope, self._receive, self._answering)

    def _key(self) -> str | None:
        given = self._headers.get(b"authorization")
        if given is None:
            return None
        scheme, _, rest = given.decode("latin-1").partition(" ")
        key: str = rest.strip()
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("a key is wanted", hint="Authorization: Bearer KEY")
        return key

    async def _collected(self) -> Receive:
        """The body, whole, as if it came now.

        Raises:
            HttpError: it is too large or too slow.
        """
        parts: list[bytes] = []
        size = 0
        with anyio.move_on_after(BODY_TIMEOUT) as waiting:
            while True:
                message = await self._receive()
                if message["type"] != "http.request":
                    return _once(message, self._receive)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY:
                    raise HttpError(f"the body is larger than {MAX_BODY} bytes", code="REQUEST_TOO_LARGE")
                if not message.get("more_body", False):
                    break
        if waiting.cancelled_caught:
            raise HttpError(f"the body did not arrive within {BODY_TIMEOUT:.0f} s", code="REQUEST_TIMEOUT")
        return _once({"type": "http.request", "body": b"".join(parts), "more_body": False}, self._receive)


def _once(message: Message, then: Receive) -> Receive:
    waiting = [message]

    async def receive() -> Message:
        return waiting.pop() if waiting else await then()

    return receive
