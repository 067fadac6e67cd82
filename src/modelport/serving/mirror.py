"""Copies of requests for a shadow deployment: whatever becomes of one, nobody waits for it and no answer changes."""

import logging
import time

from modelport.serving.access_log import AccessLog
from modelport.serving.metrics import Metrics
from modelport.serving.model_routes import ModelRoutes
from modelport.serving.scoring_route import ScoringCall, ScoringRoute
from modelport.workers.call import Stream
from modelport.workers.pool import Overloaded, Pool

log = logging.getLogger("modelport.routes")

MAX_BODIES = 64 << 20
"""Bytes of copied bodies held at once, so that a slow shadow does not take the memory of live requests."""


class Mirror:
    """Where copies go, and ``share`` of the requests from 0 to 1."""

    def __init__(self, share: float, routes: ModelRoutes, pool: Pool, metrics: Metrics, access_log: AccessLog) -> None:
        self.share = share
        self._dialects = routes.dialects
        self._pool = pool
        self._metrics = metrics
        self._access_log = access_log
        self._held = 0

    def copy(self, route: ScoringRoute, live: ScoringCall) -> None:
        """Have the shadow asked what its live deployment was just asked."""
        size = len(live.body)
        shadow = self._dialects[route.route]
        copied = ScoringCall(live.head, live.body, live.request, lambda call: self._done(shadow, call))
        if live.stream is not None:
            copied.stream = Stream(_drop)
        if self._held and self._held + size > MAX_BODIES:
            self._metrics.mirror_dropped()
            return
        try:
            self._pool.submit(copied)
        except Overloaded:
            self._metrics.mirror_dropped()
        except Exception:
            log.exception("cannot mirror a request")  # its live answer must not know of it
        else:
            self._held += size

    def _done(self, shadow: ScoringRoute, call: ScoringCall) -> None:
        self._held -= len(call.body)
        request, facts, code = call.request, call.facts, None
        status = 200
        if call.error is not None:
            code = call.error["code"]
            status, _ = shadow.failure(call)
        seconds = time.perf_counter() - request.received
        phases = facts.get("phases")
        self._metrics.observe(shadow.route, status, seconds, phases, facts.get("joined"))
        self._metrics.mirrored()
        rows = facts.get("rows", 0)
        self._access_log.add(
            request.client, request.method, request.path, status, request.id, seconds, rows, phases, code
        )


def _drop(piece: bytes) -> None:
    pass
