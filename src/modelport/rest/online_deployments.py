"""Routes of online deployments and their logs."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import PlainTextResponse

from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.operations import Container
from modelport.rest.asking import TEXT, Changes, Plane, check_name, deleted, going_on, read_as

router = APIRouter(prefix="/online-endpoints/{endpoint_name}/deployments", tags=["online deployments"])
MAX_LINES = 100_000
"""Of a log in one answer: some 20 MiB."""
EXAMPLE = {
    "name": "blue",
    "endpoint_name": "churn",
    "model": "azureml:churn:1",
    "instance_type": "small",
    "instance_count": 2,
}
_Spec = Annotated[
    OnlineDeploymentSpec, read_as(OnlineDeploymentSpec), Body(openapi_examples={"no code": {"value": EXAMPLE}})
]
_UNDER_WAY: dict[int | str, dict[str, Any]] = {
    202: {"description": "It is under way: `provisioning_state` tells.", "model": OnlineDeployment}
}


@router.get("")
def list_online_deployments(endpoint_name: str, plane: Plane) -> list[OnlineDeployment]:
    """By name."""
    return plane.list_online_deployments(endpoint_name)


@router.put("/{name}", responses=_UNDER_WAY)
def create_online_deployment(
    endpoint_name: str,
    name: str,
    spec: _Spec,
    plane: Plane,
    response: Response,
    all_traffic: Annotated[bool, Query(description="It gets all of it once it has succeeded.")] = False,
) -> OnlineDeployment:
    """One that exists is refused: PATCH changes it."""
    check_name("endpoint", endpoint_name, spec.endpoint_name)
    check_name("deployment", name, spec.name)
    return going_on(plane.create_online_deployment(spec, all_traffic), response)


@router.get("/{name}")
def get_online_deployment(endpoint_name: str, name: str, plane: Plane) -> OnlineDeployment:
    """One, as it is now."""
    return plane.get_online_deployment(endpoint_name, name)


@router.patch(
    "/{name}",
    responses=_UNDER_WAY,
    openapi_extra={"requestBody": {"content": {"application/json": {"example": {"instance_count": 3}}}}},
)
def update_online_deployment(
    endpoint_name: str, name: str, changes: Changes, plane: Plane, response: Response
) -> OnlineDeployment:
    """It is served as before until it is ready in the new way."""
    return going_on(plane.update_online_deployment(endpoint_name, name, changes), response)


@router.delete("/{name}", status_code=202, response_model=OnlineDeployment, responses={204: {"description": "Gone."}})
def delete_online_deployment(endpoint_name: str, name: str, plane: Plane) -> Response:
    """Once it has answered what it was asked. One that has live traffic is refused."""
    plane.delete_online_deployment(endpoint_name, name)
    return deleted(lambda: plane.get_online_deployment(endpoint_name, name))


@router.get("/{name}/logs", response_class=Response, responses=TEXT)
def get_logs(
    endpoint_name: str,
    name: str,
    plane: Plane,
    lines: Annotated[int, Query(ge=1, le=MAX_LINES)] = 5000,
    container: Container = "inference-server",
) -> Response:
    """The last lines of what its workers write, or of how its model and environment were prepared."""
    return PlainTextResponse(plane.get_logs(endpoint_name, name, lines, container))
