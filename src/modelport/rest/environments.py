"""Routes of registered environments."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.rest.asking import Archived, Plane, archived_or_not, read_as

router = APIRouter(prefix="/environments", tags=["environments"])
EXAMPLE = {
    "name": "sklearn",
    "conda_file": {"dependencies": ["python=3.11", {"pip": ["scikit-learn==1.5.2"]}]},
}
_Spec = Annotated[EnvironmentSpec, read_as(EnvironmentSpec), Body(openapi_examples={"conda": {"value": EXAMPLE}})]


@router.post("", status_code=201)
def create_environment(spec: _Spec, plane: Plane) -> Environment:
    """Register a version; without `version` the next whole number."""
    return plane.create_environment(spec)


@router.get("")
def list_environments(plane: Plane, name: str | None = None, archived: Archived = "false") -> list[Environment]:
    """Newest first."""
    return plane.list_environments(name, archived_or_not(archived))


@router.get("/{name}")
def get_latest_environment(
    name: str, plane: Plane, label: Annotated[str | None, Query(examples=["latest"])] = None
) -> Environment:
    """The version that a label names; without one the latest."""
    return plane.get_environment(name, None, label)


@router.post("/{name}/archive", status_code=204)
def archive_environment(name: str, plane: Plane, version: str | None = None, archived: bool = True) -> None:
    """Hide from lists, or with `archived=false` show again; without `version` all versions."""
    plane.archive_environment(name, version, archived)


@router.get("/{name}/versions/{version}")
def get_environment(name: str, version: str, plane: Plane) -> Environment:
    """One version."""
    return plane.get_environment(name, version)
