"""Whether somebody is there to predict, as MLflow, Azure and the Open Inference Protocol ask for it."""

from collections.abc import Callable

import orjson

from modelport.serving.answers import Answers
from modelport.serving.http import Request
from modelport.serving.open_inference import error

_AGAIN = b"retry-after: 1\r\n"
_TEXT = b"text/plain; charset=utf-8"


class State:
    """The state of what ``ready`` speaks for: a model, or all models of the server."""

    def __init__(self, ready: Callable[[], bool], answers: Answers) -> None:
        self._ready = ready
        self._answers = answers

    def routes(self) -> dict[bytes, Callable[[Request], None]]:
        """Paths for GET and HEAD, below whatever this state belongs to."""
        return {
            b"/ping": self._ping,
            b"/health": self._ping,
            b"/": self._healthy,
            b"/v2": self._server,
            b"/v2/health/live": self._live,
            b"/v2/health/ready": lambda request: self.ready(request, b'{"ready":true}'),
        }

    def _ping(self, request: Request) -> None:
        if self._ready():
            self._answers.respond(request, 200, b"\n")
        else:
            self._answers.error(request, 503, "NOT_READY", "no worker is ready", headers=_AGAIN)

    def _healthy(self, request: Request) -> None:
        """Azure's probe."""
        if self._ready():
            self._answers.respond(request, 200, b"Healthy", _TEXT)
        else:
            self._answers.respond(request, 503, b"Unhealthy", _TEXT, _AGAIN, "NOT_READY")

    def ready(self, request: Request, document: bytes) -> None:
        """The protocol's answer to whether something is ready: ``document``, or an error."""
        if self._ready():
            self._answers.respond(request, 200, document)
        else:
            self._answers.respond(request, 503, error("no worker is ready"), headers=_AGAIN, code="NOT_READY")

    def _live(self, request: Request) -> None:
        self._answers.respond(request, 200, b'{"live":true}')

    def _server(self, request: Request) -> None:
        from modelport.serving import metadata  # not at start: few clients ask for it

        self._answers.respond(request, 200, orjson.dumps(metadata.server_metadata()))
