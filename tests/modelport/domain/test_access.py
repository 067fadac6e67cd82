"""Grants: what each scope means, on all endpoints or on one."""

from typing import Any

import pytest

from modelport.domain.access import ADMIN, Grant, Principal, Scope
from modelport.errors import InvalidInput

SCOPES: tuple[Scope, ...] = ("admin", "deploy", "read", "invoke")
MEANT: dict[Scope, str] = {
    "admin": "admin deploy read invoke",
    "deploy": "deploy read",
    "read": "read",
    "invoke": "invoke",
}


@pytest.mark.parametrize("given", SCOPES)
@pytest.mark.parametrize("wanted", SCOPES)
@pytest.mark.parametrize("on", ["*", "churn"])
@pytest.mark.parametrize("endpoint", [None, "churn", "other"])
def test_a_grant_covers_what_it_means_where_it_is(given: Scope, wanted: Scope, on: str, endpoint: str | None) -> None:
    principal = Principal("somebody", (Grant(scope=given, endpoint=on),))
    assert principal.may(wanted, endpoint) == (wanted in MEANT[given].split() and on in ("*", endpoint))


def test_grants_add_up_and_do_not_mix() -> None:
    principal = Principal("somebody", (Grant(scope="deploy", endpoint="one"), Grant(scope="invoke", endpoint="two")))
    assert [principal.may("deploy", name) for name in ("one", "two")] == [True, False]
    assert [principal.may("invoke", name) for name in ("one", "two")] == [False, True]


def test_without_grants_nothing_may_be_done() -> None:
    assert not any(Principal("somebody", ()).may(scope, on) for scope in SCOPES for on in (None, "churn", "*"))


def test_the_admin_may_do_everything() -> None:
    assert all(ADMIN.may(scope, on) for scope in SCOPES for on in (None, "churn"))


def test_an_endpoint_is_named_as_endpoints_are() -> None:
    assert Grant.read({"scope": "Read", "endpoint": "Churn"}, "FILE") == Grant(scope="read", endpoint="churn")
    assert Grant.read({"scope": "read"}, "FILE").endpoint == "*"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"scope": "all"},
        {"scope": None},
        {"scope": "read", "endpoint": "x"},
        {"scope": "read", "endpoint": "churn*"},
    ],
)
def test_a_grant_that_is_none(data: Any) -> None:
    with pytest.raises(InvalidInput, match="FILE is no grant"):
        Grant.read(data, "FILE")
