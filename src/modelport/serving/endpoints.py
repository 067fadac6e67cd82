"""The application behind the HTTP server of `modelport up`: endpoints by their names, and the little that is open."""

from collections.abc import Callable, Iterable

from modelport.serving.access_log import AccessLog
from modelport.serving.answers import Answers
from modelport.serving.endpoint import PATHS, Endpoint, admits_browser, turn_away
from modelport.serving.guard import Guard
from modelport.serving.http import Request
from modelport.serving.metrics import Metrics
from modelport.serving.model_routes import READ
from modelport.serving.state import State

OPEN_PATHS = (b"/ping", b"/health", b"/v2/health/live", b"/v2/health/ready")
"""They tell that somebody is here, and nothing else."""


class Endpoints:
    """``metrics`` count what belongs to no deployment; ``ready``: whether a table was ever applied."""

    def __init__(
        self, metrics: Metrics, access_log: AccessLog, ready: Callable[[], bool], origins: frozenset[bytes]
    ) -> None:
        self._metrics = metrics
        self._access_log = access_log
        self._origins = origins
        self._answers = Answers(metrics, access_log, "")
        self._state = State(ready, self._answers).routes()
        self._nobody = Guard([])
        self._endpoints: dict[bytes, Endpoint] = {}
        self._table: dict[bytes, Callable[[Request], None]] = {}

    def route(self, endpoints: Iterable[Endpoint]) -> None:
        """From now on these are there, and no others; every request sees all of them as before, or all as they are now."""
        named = {endpoint.name.encode(): endpoint for endpoint in endpoints}
        table: dict[bytes, Callable[[Request], None]] = {}
        for endpoint in named.values():
            table.update(endpoint.paths)
        self._endpoints, self._table = named, table

    def answers_of(self, name: str) -> Answers:
        """Answers below an endpoint that belong to none of its deployments; also where there is no such endpoint."""
        return Answers(self._metrics, self._access_log, PATHS + name)

    def __call__(self, request: Request) -> None:
        """Answer a request; the answer may come later."""
        answer = self._table.get(request.path)
        if answer is not None:
            answer(request)
        else:
            self._other(request)

    def _other(self, request: Request) -> None:
        path = request.path
        if path.startswith(PATHS.encode()):
            name = path.split(b"/", 3)[2]
            endpoint = self._endpoints.get(name)
            if endpoint is not None:
                endpoint.other(request)
                return
            self._nobody.admits(request.headers.get(b"authorization"))  # it takes as long as where there is one
            admits_browser(request, self._nobody)
            turn_away(request, self.answers_of(name.decode("latin-1")), self._origins)
        elif path not in OPEN_PATHS:
            message = f"nothing is served at this path; there is {PATHS}NAME/score for who has the endpoint's key"
            self._answers.error(request, 404, "NOT_FOUND", message)
        elif request.method in READ:
            self._state[path](request)
        else:
            self._answers.wrong_method(request, READ)
