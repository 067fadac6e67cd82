"""Whose header is accepted."""

import base64
import time

import pytest

from modelport.serving.guard import Guard
from tests.modelport.serving.endpoint_bench import credential


@pytest.mark.parametrize("header", [b"Bearer one", b"bearer one", b"Bearer two", b"Bearer  two "])
def test_every_key_is_accepted_again_and_again(header: bytes) -> None:
    guard = Guard([credential("one"), credential("two")])
    assert [guard.admits(header) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"one",
        b"Basic one",
        b"Bearer",
        b"Bearer ",
        b"Bearer on",
        b"Bearer one2",
        b"Bearer \xff",
        b"Bearer one two",
    ],
)
def test_anything_else_is_not_also_after_a_good_one(header: bytes | None) -> None:
    guard = Guard([credential("one"), credential("two")])
    assert not guard.admits(header)
    assert guard.admits(b"Bearer one")
    assert not guard.admits(header)


def test_nobody_is_accepted_where_there_is_no_credential() -> None:
    assert not any(Guard([]).admits(header) for header in (None, b"", b"Bearer ", b"Bearer x"))


def test_a_token_ends_also_when_it_was_accepted_just_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    guard = Guard([credential("token", now + 10), credential("key"), credential("old", now - 1)])
    assert guard.admits(b"Bearer token")
    assert guard.admits(b"Bearer token")
    assert not guard.admits(b"Bearer old")
    monkeypatch.setattr(time, "time", lambda: now + 10)
    assert not guard.admits(b"Bearer token")
    assert guard.admits(b"Bearer key")


def test_the_hash_is_no_key() -> None:
    assert not Guard([credential("one")]).admits(b"Bearer " + credential("one").digest.encode())


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize("header", [basic(b"anybody:one"), basic(b":two"), basic(b"x:one").replace(b"Basic", b"bAsIc")])
def test_a_password_is_accepted_whoever_the_user_is_and_opens_nothing_else(header: bytes) -> None:
    guard = Guard([credential("one"), credential("two")])
    assert guard.admits_password(header)
    assert not guard.admits(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Basic",
        b"Basic ",
        b"Basic one",
        b"Basic x:one",
        b"Bearer one",
        b"Basic \xff\xfe",
        basic(b"one"),
        basic(b"one:"),
        basic(b"one:one2"),
        basic(b"x:x:one"),
        basic(b"x: one"),
        basic(b"x:old"),
        basic(b"x:one")[:-2],
        basic(b"x:one") + b" " + basic(b"x:one"),
        b"Digest " + base64.b64encode(b"x:one"),
    ],
)
def test_no_other_password_is(header: bytes | None) -> None:
    guard = Guard([credential("one"), credential("old", time.time() - 1)])
    assert not guard.admits_password(header)
    assert not Guard([]).admits_password(header)
