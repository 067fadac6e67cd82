"""Routes of online endpoints and their credentials."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from modelport.domain.credentials import Credentials
from modelport.domain.online_endpoint import OnlineEndpoint, OnlineEndpointSpec
from modelport.domain.operations import KeyType
from modelport.rest.asking import Changes, Plane, check_name, deleted, going_on, read_as

router = APIRouter(prefix="/online-endpoints", tags=["online endpoints"])
EXAMPLE = {"name": "churn", "auth_mode": "key", "tags": {"team": "growth"}}
CHANGES = {"traffic": {"blue": 90, "green": 10}, "mirror_traffic": {}}
_Spec = Annotated[OnlineEndpointSpec, read_as(OnlineEndpointSpec), Body(openapi_examples={"key": {"value": EXAMPLE}})]
_UNDER_WAY: dict[int | str, dict[str, Any]] = {
    202: {"description": "It is under way: `provisioning_state` tells.", "model": OnlineEndpoint}
}


@router.get("")
def list_online_endpoints(plane: Plane) -> list[OnlineEndpoint]:
    """By name."""
    return plane.list_online_endpoints()


@router.put("/{name}", responses=_UNDER_WAY)
def create_online_endpoint(name: str, spec: _Spec, plane: Plane, response: Response) -> OnlineEndpoint:
    """An existing one is overwritten, and keeps its deployments and keys."""
    check_name("endpoint", name, spec.name)
    return going_on(plane.create_online_endpoint(spec), response)


@router.get("/{name}")
def get_online_endpoint(name: str, plane: Plane) -> OnlineEndpoint:
    """One, as it is now."""
    return plane.get_online_endpoint(name)


@router.patch(
    "/{name}",
    responses=_UNDER_WAY,
    openapi_extra={"requestBody": {"content": {"application/json": {"example": CHANGES}}}},
)
def update_online_endpoint(name: str, changes: Changes, plane: Plane, response: Response) -> OnlineEndpoint:
    """Deployments that `traffic` does not name keep their share; all shares must add up to 100, or to 0."""
    return going_on(plane.update_online_endpoint(name, changes), response)


@router.delete("/{name}", status_code=202, response_model=OnlineEndpoint, responses={204: {"description": "Gone."}})
def delete_online_endpoint(name: str, plane: Plane) -> Response:
    """With all of its deployments, each once it has answered what it was asked."""
    plane.delete_online_endpoint(name)
    return deleted(lambda: plane.get_online_endpoint(name))


@router.get("/{name}/credentials")
def get_credentials(name: str, plane: Plane) -> Credentials:
    """Both keys, or a new token."""
    return plane.get_credentials(name)


@router.post("/{name}/keys/{key_type}/regenerate")
def regenerate_keys(name: str, key_type: KeyType, plane: Plane) -> Credentials:
    """Another key in the place of this one, which stops at once; both as they are then."""
    return plane.regenerate_keys(name, key_type)
