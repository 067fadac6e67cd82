"""Keys: their files are for their owner alone, and an endpoint's are the same again for ever."""

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.control.secret import SECRET, TOKEN_LIFE, Secret, digest, new_key, new_token, written_once
from modelport.errors import CannotStart

KEY = re.compile(r"[A-Za-z0-9_-]{43}")


@pytest.fixture
def generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("generous_umask")
def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    file = tmp_path / "home" / "admin.key"
    key = written_once(file)
    assert KEY.fullmatch(key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == key + "\n"


def test_what_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "admin.key"
    assert written_once(file) == written_once(file)
    file.write_text("  mine\n")
    assert written_once(file) == "mine"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666])
def test_a_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "admin.key"
    written_once(file)
    file.chmod(mode)
    with pytest.raises(CannotStart, match="others can read") as refused:
        written_once(file)
    assert refused.value.hint == f"chmod 600 {file}"


def test_a_file_that_its_owner_alone_may_read_is_good(tmp_path: Path) -> None:
    file = tmp_path / "admin.key"
    key = written_once(file)
    file.chmod(0o400)
    assert written_once(file) == key


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot keep a key in"):
        written_once(tmp_path / "file" / "admin.key")
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(CannotStart, match="cannot keep a key in"):
        written_once(tmp_path / "folder")


def test_keys_are_the_same_for_the_same_secret(tmp_path: Path) -> None:
    keys = [Secret(tmp_path).key("id", "primary", 1) for _ in range(2)]
    assert keys[0] == keys[1]
    assert KEY.fullmatch(keys[0])
    (tmp_path / SECRET).write_text("known\n")
    # printf id/primary/1 | openssl dgst -sha256 -hmac known -binary | basenc --base64url
    assert Secret(tmp_path).key("id", "primary", 1) == "dJE3b4KvxTaBcFXr-drpTACxir6XkECKFDGqXxNmA0M"


def test_every_endpoint_slot_generation_and_secret_has_a_key_of_its_own(tmp_path: Path) -> None:
    keys = {
        Secret(home).key(id, slot, generation)
        for home in (tmp_path / "one", tmp_path / "two")
        for id in ("id", "other")
        for slot in ("primary", "secondary")
        for generation in (1, 2, 12)
    }
    assert len(keys) == 24


def test_what_the_store_keeps_is_the_hash_of_what_is_told(tmp_path: Path) -> None:
    secret = Secret(tmp_path)
    told = secret.keys("id", {"primary": 3, "secondary": 1})
    stored = secret.stored("id", "primary", 3)
    assert (stored.digest, stored.expires) == (digest(told.primary_key), None)
    assert told.secondary_key == secret.key("id", "secondary", 1)
    assert told.primary_key not in repr(stored)


def test_tokens_are_new_each_time_and_end() -> None:
    told, stored = new_token("id")
    assert (stored.slot, stored.digest) == ("token", digest(told.access_token))
    assert told.access_token not in repr(stored)
    assert stored.expires == pytest.approx(time.time() + TOKEN_LIFE, abs=5)
    assert stored.expires is not None
    assert told.refresh_after_time_utc < told.expiry_time_utc <= stored.expires
    assert new_token("id")[0].access_token != told.access_token


def test_new_keys_can_be_sent_in_a_header() -> None:
    keys = [new_key() for _ in range(50)]
    assert len(set(keys)) == 50
    assert all(KEY.fullmatch(key) for key in keys)


def test_the_hash_of_any_text_can_be_had() -> None:
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest("\xff") != digest("\udcff")
