"""What the routes share: whose plane is asked, bodies read strictly, and the status of what still goes on."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import Body, Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BeforeValidator

from modelport.domain.kind import Kind
from modelport.domain.operations import ControlPlane
from modelport.domain.states import ProvisioningState
from modelport.errors import InvalidInput, NotFound

_BEARER = HTTPBearer(
    auto_error=False, scheme_name="key", description="The admin key, or that of a user. Keys of endpoints do not count."
)


async def _plane(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
) -> ControlPlane:
    plane: ControlPlane = request.state.plane  # put there by the guard; the scheme is for the OpenAPI document
    return plane


TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
"""For the document: an answer that is no JSON, though errors are; such a route's class of response is ``Response``."""
Plane = Annotated[ControlPlane, Depends(_plane)]
Changes = Annotated[
    dict[str, Any], Body(description="Keys of the object's file with their new values; null: the default again.")
]
Archived = Annotated[
    Literal["false", "true", "any"], Query(description="Those that are not archived, only those that are, or all.")
]


def archived_or_not(archived: str) -> bool | None:
    """As the operations take it."""
    return {"false": False, "true": True}.get(archived)


def read_as(kind: type[Kind]) -> BeforeValidator:
    """Reads a body as a file of this kind is read: a wrong key is told with the one that was likely meant."""

    def read(data: Any) -> Any:
        return kind.read(data, "the body")

    return BeforeValidator(read)


def check_name(what: str, in_path: str, in_body: str) -> None:
    """Raises:
    InvalidInput: path and body name two different things.
    """
    if in_path.lower() != in_body.lower():
        raise InvalidInput(f"the path names the {what} {in_path!r}, the body {in_body!r}")


class _Provisioned(Protocol):
    @property
    def provisioning_state(self) -> ProvisioningState: ...


_T = TypeVar("_T", bound=_Provisioned)


def going_on(provisioned: _T, response: Response) -> _T:
    """The same, answered with 202 while something is still being done for it."""
    if not provisioned.provisioning_state.is_final:
        response.status_code = 202
    return provisioned


def deleted(left: Callable[[], Kind]) -> Response:
    """202 and what is still there of something that goes in the background; 204 when nothing is."""
    try:
        remains = left()
    except NotFound:
        return Response(status_code=204)
    return Response(remains.model_dump_json(), 202, media_type="application/json")
