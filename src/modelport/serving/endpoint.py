"""One endpoint: whether a request may ask it, which of its deployments answers, and whether another gets a copy."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelport.serving.answers import Answers
from modelport.serving.guard import Guard
from modelport.serving.http import Request
from modelport.serving.mirror import Mirror
from modelport.serving.model_routes import Entry, ModelRoutes
from modelport.serving.score import preflight_headers
from modelport.serving.shares import Shares
from modelport.supervisor.table import EndpointRoute

DEPLOYMENT_HEADER = b"azureml-model-deployment"
"""Of a request: who is to answer it, instead of who is drawn. Of an answer: who gave it."""
PATHS = "/endpoints/"
_FOR_BROWSERS = frozenset({b"docs", b"openapi.json", b"swagger.json", b"v2"})
"""What the paths begin with, below an endpoint, at which GET shows what a person may want to look at."""
MAX_NAME = 40
"""Characters of a name that nobody has, as it is told back."""


@dataclass(frozen=True)
class Deployment:
    """A deployment as requests find it. ``routes`` None: its workers were never ready."""

    name: str
    answers: Answers
    routes: ModelRoutes | None

    @property
    def header(self) -> bytes:
        """What its answers have."""
        return b"%s: %s\r\n" % (DEPLOYMENT_HEADER, self.name.encode())


class Endpoint:
    """An endpoint and its deployments, in the order of its route."""

    def __init__(
        self,
        route: EndpointRoute,
        deployments: Sequence[Deployment],
        guard: Guard,
        answers: Answers,
        mirror: Mirror | None,
        origins: frozenset[bytes],
    ) -> None:
        self.name = route.name
        self._deployments = deployments
        self._headers = [deployment.header for deployment in deployments]
        self._positions = {deployment.name.encode(): position for position, deployment in enumerate(deployments)}
        self._shares = Shares([deployment.percent for deployment in route.deployments])
        self._guard = guard
        self._answers = answers
        self._mirror = mirror
        self._origins = origins
        tables: list[Mapping[bytes, Entry]] = [
            {} if deployment.routes is None else deployment.routes.below for deployment in deployments
        ]
        every = dict.fromkeys(path for table in tables for path in table)
        self.paths = {path: EndpointPath(self, [table.get(path) for table in tables]) for path in every}
        """What answers each of its paths."""

    def answer(self, request: Request, entries: Sequence[Entry | None]) -> None:
        """Have a request answered; ``entries``: what answers its path, by deployment. None of them: an unknown path."""
        headers = request.headers
        if not self._guard.admits(headers.get(b"authorization")) and not admits_browser(request, self._guard):
            turn_away(request, self._answers, self._origins)
            return
        named = headers.get(DEPLOYMENT_HEADER)
        if named is None:
            position = self._shares.only
            if position is None:
                if self._shares.empty:
                    self._no_traffic(request)
                    return
                position = self._shares.at(random.random())
            if self._mirror is not None and random.random() < self._mirror.share:
                request.on_submitted = self._mirror.copy
        else:
            position = self._positions.get(named.strip().lower())
            if position is None:
                self._no_such(request, named)
                return
        request.also = self._headers[position]
        entry = entries[position] if entries else None
        if entry is None:
            self._without_entry(request, self._deployments[position])
        elif request.method in entry.methods:
            entry.handle(request)
        else:
            entry.answers.wrong_method(request, entry.methods)

    def other(self, request: Request) -> None:
        """A path that no deployment has in its table."""
        self.answer(request, ())

    def _without_entry(self, request: Request, deployment: Deployment) -> None:
        routes, answers = deployment.routes, deployment.answers
        if routes is None:
            message = f"deployment '{deployment.name}' of this endpoint is not ready; try again later"
            answers.error(request, 503, "NOT_READY", message, headers=b"retry-after: 1\r\n")
        elif not routes.other(request):
            answers.nowhere(request, routes.below)

    def _no_traffic(self, request: Request) -> None:
        message = (
            "no deployment of this endpoint gets traffic; give one a share of it, or name one in the header "
            f"'{DEPLOYMENT_HEADER.decode()}': there is {self._there()}"
        )
        self._answers.error(request, 404, "NOT_FOUND", message)

    def _no_such(self, request: Request, named: bytes) -> None:
        name = ascii(named.decode("latin-1")[:MAX_NAME])
        message = f"this endpoint has no deployment {name}; there is {self._there()}"
        self._answers.error(request, 404, "NOT_FOUND", message)

    def _there(self) -> str:
        return ", ".join(deployment.name for deployment in self._deployments) or "none"


class EndpointPath:
    """One path of an endpoint, and what answers it by deployment."""

    __slots__ = ("_endpoint", "_entries")

    def __init__(self, endpoint: Endpoint, entries: Sequence[Entry | None]) -> None:
        self._endpoint = endpoint
        self._entries = entries

    def __call__(self, request: Request) -> None:
        self._endpoint.answer(request, self._entries)


def admits_browser(request: Request, guard: Guard) -> bool:
    """Whether a browser asks for a document, with the password that somebody typed. It is never asked for a prediction so:
    a browser sends a password by itself, whichever page makes it ask.
    """
    return _is_for_browsers(request) and guard.admits_password(request.headers.get(b"authorization"))


def _is_for_browsers(request: Request) -> bool:
    parts = request.path.split(b"/", 4)  # the empty one, "endpoints", NAME, what is below
    return request.method == b"GET" and len(parts) > 3 and parts[3] in _FOR_BROWSERS


def turn_away(request: Request, answers: Answers, origins: frozenset[bytes]) -> None:
    """Answer who has no credential for an endpoint; the same whether there is such an endpoint or not.

    A browser asks without a credential whether it may send one.
    """
    asks_first = request.method == b"OPTIONS" and b"access-control-request-method" in request.headers
    if asks_first and origins and request.path.endswith(b"/score"):
        headers = preflight_headers(request, origins)
        answers.respond(request, 200, b"", b"text/plain; charset=utf-8", headers)
        return
    message = "this endpoint wants a key or token of its own: send the header 'Authorization: Bearer KEY'"
    ask = b'www-authenticate: Basic realm="endpoint"\r\n' if _is_for_browsers(request) else b""
    answers.error(request, 401, "UNAUTHENTICATED", message, headers=b"www-authenticate: Bearer\r\n" + ask)
