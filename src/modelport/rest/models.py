"""Routes of registered models."""

import itertools
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import StreamingResponse

from modelport.domain.model import Model, ModelSpec
from modelport.rest.asking import Archived, Changes, Plane, archived_or_not, read_as

router = APIRouter(prefix="/models", tags=["models"])
EXAMPLE = {"name": "churn", "path": f"content://{'0' * 64}/model", "type": "mlflow_model", "tags": {"team": "growth"}}
_Spec = Annotated[ModelSpec, read_as(ModelSpec), Body(openapi_examples={"MLflow": {"value": EXAMPLE}})]


@router.post("", status_code=201)
def create_model(spec: _Spec, plane: Plane) -> Model:
    """Register a version; without `version` the next whole number. `path` is what uploading content answered."""
    return plane.create_model(spec)


@router.get("")
def list_models(plane: Plane, name: str | None = None, archived: Archived = "false") -> list[Model]:
    """Newest first."""
    return plane.list_models(name, archived_or_not(archived))


@router.get("/{name}")
def get_latest_model(name: str, plane: Plane, label: Annotated[str | None, Query(examples=["latest"])] = None) -> Model:
    """The version that a label names; without one the latest."""
    return plane.get_model(name, None, label)


@router.post("/{name}/archive", status_code=204)
def archive_model(name: str, plane: Plane, version: str | None = None, archived: bool = True) -> None:
    """Hide from lists, or with `archived=false` show again; without `version` all versions."""
    plane.archive_model(name, version, archived)


@router.get("/{name}/versions/{version}")
def get_model(name: str, version: str, plane: Plane) -> Model:
    """One version."""
    return plane.get_model(name, version)


@router.patch("/{name}/versions/{version}")
def update_model(name: str, version: str, changes: Changes, plane: Plane) -> Model:
    """Description, tags, properties or stage."""
    return plane.update_model(name, version, changes)


@router.get(
    "/{name}/versions/{version}/content",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}}}},
)
def download_model(name: str, version: str, plane: Plane) -> Response:
    """A tar archive of the model's folder or file."""
    pieces = plane.download_model(name, version)
    first = next(pieces, b"")  # what is refused is refused here, before an answer has begun
    return StreamingResponse(itertools.chain([first], pieces), media_type="application/x-tar")
