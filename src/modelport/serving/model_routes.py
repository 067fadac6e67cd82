"""What is answered for one model, below its prefix: the three dialects, its state, its documents."""

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from modelport.serving.access_log import AccessLog
from modelport.serving.answers import Answers
from modelport.serving.http import Request
from modelport.serving.invocations import Invocations
from modelport.serving.metrics import Metrics
from modelport.serving.open_inference import OpenInference
from modelport.serving.score import Score
from modelport.serving.scoring_route import ScoringRoute
from modelport.serving.served_model import ServedModel
from modelport.serving.state import State
from modelport.workers.pool import Pool

GET = frozenset({b"GET"})
READ = frozenset({b"GET", b"HEAD"})
POST = frozenset({b"POST"})

Handler = Callable[[Request], None]


class Entry(NamedTuple):
    """What answers a path, and whom: ``is_open`` needs no key, as it tells nothing but whether the model is there."""

    methods: frozenset[bytes]
    handle: Handler
    answers: Answers
    is_open: bool = False


@dataclass(frozen=True)
class Options:
    """How requests for predictions are answered; ``max_body`` in bytes."""

    tracebacks: bool
    timing: bool
    max_body: int
    wants_key: bool
    score: Callable[..., Score] = Score
    """What answers `/score`."""
    public_url: str = ""
    """What documents put before the prefix."""


class ModelRoutes:
    """``table``: path → entry; ``below`` has those that begin with ``prefix``, which may be the empty text.

    Made anew when the model is loaded anew.
    """

    def __init__(
        self,
        pool: Pool,
        metrics: Metrics,
        access_log: AccessLog,
        model: ServedModel,
        prefix: str,
        options: Options,
    ) -> None:
        self._model = model
        self._prefix = prefix
        self._base = options.public_url + prefix
        self._wants_key = options.wants_key
        self._answers = answers = Answers(metrics, access_log, prefix)
        shared: dict[str, Any] = {"tracebacks": options.tracebacks, "timing": options.timing}
        invocations = Invocations(pool, metrics, access_log, model, max_body=options.max_body, **shared)
        open_inference = OpenInference(pool, metrics, access_log, model, **shared)
        score = options.score(pool, metrics, access_log, model, **shared)
        self.dialects: dict[str, ScoringRoute] = {route.route: route for route in (invocations, open_inference, score)}
        """What answers with predictions, by its name in the metrics."""
        self._state = State(lambda: pool.ready, answers)
        own = {
            b"/invocations": Entry(POST, invocations, answers),
            b"/score": Entry(frozenset({b"GET", b"POST", b"OPTIONS"}), score, answers),
            b"/openapi.json": Entry(GET, self._openapi, answers),
            b"/swagger.json": Entry(GET, self._swagger, answers),
            b"/docs": Entry(GET, self._docs, answers, is_open=True),
            **{path: Entry(READ, handle, answers, is_open=True) for path, handle in self._state.routes().items()},
        }
        named = {}
        for path in open_inference.model_paths():
            named[path] = Entry(READ, self._metadata, answers)
            named[path + b"/ready"] = Entry(READ, self._ready, answers)
            named[path + b"/infer"] = Entry(POST, open_inference, answers)
        self.below: dict[bytes, Entry] = {
            (prefix.encode() + path).rstrip(b"/") or b"/": entry for path, entry in {**own, **named}.items()
        }
        # Paths of the Open Inference Protocol have the model's name in them, and are at the root too.
        self.table: dict[bytes, Entry] = {**named, **self.below}

    def other(self, request: Request) -> bool:
        """Answer a path that is in no table, if it is a file of this model's documentation."""
        mine = request.path.startswith(f"{self._prefix}/docs/".encode()) and request.method in GET
        if mine:
            self._docs(request)
        return mine

    # -- the Open Inference Protocol's small ones ----------------------------------------------------------------------

    def _metadata(self, request: Request) -> None:
        from modelport.serving import metadata  # not at start: few clients ask for it

        self._answers.respond(request, 200, orjson.dumps(metadata.model_metadata(self._model)))

    def _ready(self, request: Request) -> None:
        self._state.ready(request, orjson.dumps({"name": self._model.name, "ready": True}))

    # -- documents -----------------------------------------------------------------------------------------------------

    def _openapi(self, request: Request) -> None:
        from modelport.serving import openapi  # nor these

        self._document(request, openapi.document(self._model, self._wants_key, self._base))

    def _swagger(self, request: Request) -> None:
        from modelport.serving import swagger

        version = urllib.parse.parse_qs(request.query.decode("latin-1")).get("version", ["2"])[-1]
        document = swagger.document(self._model, version, self._base)
        if document is None:
            message = f"there is no document of version '{version[:20]}'; there is 2, 2.0, 3, 3.0, 3.1"
            self._answers.error(request, 404, "NOT_FOUND", message)
        else:
            self._document(request, document)

    def _document(self, request: Request, document: dict[str, Any]) -> None:
        self._answers.respond(request, 200, orjson.dumps(document))

    def _docs(self, request: Request) -> None:
        from modelport.serving import docs_page

        file = docs_page.page(
            request.path.decode("latin-1").removeprefix(self._prefix), urllib.parse.urlsplit(self._base).path
        )
        if file is None:
            self._answers.error(request, 404, "NOT_FOUND", "the documentation has no such file; it begins at /docs")
            return
        content_type, body = file
        policy = b"content-security-policy: %s\r\n" % docs_page.CONTENT_SECURITY_POLICY.encode()
        self._answers.respond(request, 200, body, content_type, policy)
