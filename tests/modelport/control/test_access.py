"""A key is somebody's or nobody's; what somebody has no grant to is refused, and nothing is said of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelport.control.access import Access, require
from modelport.control.secret import digest
from modelport.domain.access import ADMIN, Grant, Principal, Scope, User
from modelport.errors import PermissionDenied, Unauthenticated
from modelport.store.store import Store

READER = User(
    name="reader", grants=[Grant(scope="read", endpoint="churn")], created_at=datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'modelport.db'}")
    with store.writing() as transaction:
        transaction.add_user(READER, digest("the-readers"))
    yield store
    store.close()


def test_the_admins_key_is_the_admins_and_a_users_is_the_users(store: Store) -> None:
    access = Access(store, "the-admins")
    assert access.principal("the-admins") == ADMIN
    assert access.principal("the-readers") == Principal("reader", tuple(READER.grants))


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        " ",
        "wrong",
        "the-admin",
        "the-adminsx",
        "The-Admins",
        digest("the-admins"),
        digest("the-readers"),
        "admin",
        "reader",
        "\xff\xe9",
        "\udcff",
        "k" * 10_000,
        "' OR 1=1 --",
    ],
)
def test_any_other_is_nobodys_and_all_are_told_the_same(store: Store, key: str | None) -> None:
    access = Access(store, "the-admins")
    with pytest.raises(Unauthenticated) as refused:
        access.principal(key)
    with pytest.raises(Unauthenticated) as of_none:
        access.principal(None)
    assert refused.value.as_dict() == of_none.value.as_dict()


def test_a_users_key_stops_with_the_user(store: Store) -> None:
    access = Access(store, "the-admins")
    access.principal("the-readers")
    with store.writing() as transaction:
        transaction.remove_user("reader")
    with pytest.raises(Unauthenticated):
        access.principal("the-readers")
    with store.writing() as transaction:
        transaction.add_user(READER, digest("another"))
    with pytest.raises(Unauthenticated):
        access.principal("the-readers")
    assert access.principal("another").name == "reader"


def test_an_empty_key_of_the_admin_lets_nobody_in(store: Store) -> None:
    with pytest.raises(Unauthenticated):
        Access(store, "").principal("")


@pytest.mark.parametrize(
    ("scope", "endpoint"),
    [("deploy", "churn"), ("read", None), ("read", "other"), ("invoke", "churn"), ("admin", None)],
)
def test_what_no_grant_covers_is_refused(scope: Scope, endpoint: str | None) -> None:
    with pytest.raises(PermissionDenied) as refused:
        require(Principal("reader", tuple(READER.grants)), scope, endpoint)
    assert "churn" not in f"{refused.value} {refused.value.hint}"
    assert "other" not in f"{refused.value} {refused.value.hint}"


def test_a_refusal_is_the_same_for_every_endpoint() -> None:
    told = []
    for endpoint in ("churn", "other"):
        with pytest.raises(PermissionDenied) as refused:
            require(Principal("reader", tuple(READER.grants)), "deploy", endpoint)
        told.append(refused.value.as_dict())
    assert told[0] == told[1]


def test_what_a_grant_covers_goes_on() -> None:
    require(Principal("reader", tuple(READER.grants)), "read", "churn")
    require(ADMIN, "admin")
    require(ADMIN, "deploy", "any-at-all")
