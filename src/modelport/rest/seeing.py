"""Routes for looking: history, audit trail, the server's own state, metrics."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime

from modelport.domain.seen import AuditEntry, Minute
from modelport.rest.asking import TEXT, Plane

router = APIRouter(tags=["seeing"])
outside = APIRouter(tags=["seeing"])
"""What other programs expect at the root."""
MAX_ENTRIES = 10_000
"""Of the audit trail in one answer: some 5 MiB."""


@router.get("/history")
def get_history(endpoint_name: str, since: AwareDatetime, plane: Plane) -> list[Minute]:
    """What was counted of an endpoint, minute by minute, for each deployment; oldest first."""
    return plane.get_history(endpoint_name, since)


@router.get("/audit")
def list_audit(
    plane: Plane, limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 100, since: AwareDatetime | None = None
) -> list[AuditEntry]:
    """Who changed what, and who was refused; the newest, newest first."""
    return plane.list_audit(limit, since)


@router.get("/status")
def get_status(plane: Plane) -> dict[str, Any]:
    """The server itself: version, addresses, processes, store, disk."""
    return plane.get_status()


@outside.get("/metrics", response_class=Response, responses=TEXT)
def get_metrics(plane: Plane) -> Response:
    """In Prometheus' text format."""
    return Response(plane.get_metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


@outside.get("/ping", response_class=Response, responses=TEXT, openapi_extra={"security": []})
async def ping() -> Response:
    """That it answers; nothing else is told, and no key is needed."""
    return PlainTextResponse("ok\n")
