"""Routes of users."""

from typing import Annotated

from fastapi import APIRouter, Body

from modelport.domain.access import Grant, User
from modelport.domain.kind import Kind, Name
from modelport.rest.asking import Plane, read_as

router = APIRouter(prefix="/users", tags=["users"])
EXAMPLE = {"name": "training-job", "grants": [{"scope": "deploy"}, {"scope": "invoke", "endpoint": "churn"}]}


class NewUser(Kind):
    """A user to be, and what it may do."""

    NOUN = "user"
    name: Name
    grants: list[Grant]


class CreatedUser(Kind):
    """The user, and the key that is told this one time."""

    user: User
    key: str


@router.post("", status_code=201)
def create_user(
    new: Annotated[NewUser, read_as(NewUser), Body(openapi_examples={"two grants": {"value": EXAMPLE}})], plane: Plane
) -> CreatedUser:
    """Its key is in this answer, and nowhere else ever after."""
    user, key = plane.create_user(new.name, new.grants)
    return CreatedUser(user=user, key=key)


@router.get("")
def list_users(plane: Plane) -> list[User]:
    """By name."""
    return plane.list_users()


@router.delete("/{name}", status_code=204)
def delete_user(name: str, plane: Plane) -> None:
    """Its key stops at once."""
    plane.delete_user(name)
