"""Who may do what: users, their grants, and the one table operation → what it takes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from modelport.domain.kind import Choice, Kind, Name

Scope = Literal["admin", "deploy", "read", "invoke"]
"""``admin`` may do everything, users included; ``deploy`` what ``read`` may, and changes; ``invoke`` predictions."""
IMPLIED: dict[Scope, frozenset[Scope]] = {
    "admin": frozenset({"admin", "deploy", "read", "invoke"}),
    "deploy": frozenset({"deploy", "read"}),
    "read": frozenset({"read"}),
    "invoke": frozenset({"invoke"}),
}


def _checked_endpoint(name: str) -> str:
    if name == "*":
        return name
    from pydantic import TypeAdapter

    return TypeAdapter(Name).validate_python(name)


class Grant(Kind):
    """A scope, on one endpoint or on all of them (``*``), models and environments included."""

    NOUN: ClassVar[str] = "grant"
    scope: Annotated[Scope, Choice]
    endpoint: Annotated[str, AfterValidator(_checked_endpoint)] = "*"


class User(Kind):
    """Somebody with a key."""

    NOUN: ClassVar[str] = "user"
    name: Name
    grants: list[Grant]
    created_at: datetime


@dataclass(frozen=True)
class Principal:
    """Who asks, once the key was looked at."""

    name: str
    grants: tuple[Grant, ...]

    def may(self, scope: Scope, endpoint: str | None = None) -> bool:
        """Whether a grant covers it; ``endpoint`` None: what belongs to no endpoint, which only a grant on all covers."""
        return any(
            scope in IMPLIED[grant.scope] and (grant.endpoint == "*" or grant.endpoint == endpoint)
            for grant in self.grants
        )


ADMIN = Principal("admin", (Grant(scope="admin"),))
"""Whoever has the key that the first start makes."""
