"""Which server is asked, with which key."""

from pathlib import Path

import pytest

from modelport.client.address import find_key, find_scoring_url, find_url, is_loopback
from modelport.errors import InvalidInput, PermissionDenied, Unauthenticated

HERE, ELSEWHERE = "http://127.0.0.1:8000", "https://models.example:8000"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path))
    monkeypatch.delenv("MODELPORT_URL", raising=False)
    monkeypatch.delenv("MODELPORT_KEY", raising=False)
    return tmp_path


def _key_file(home: Path, mode: int = 0o600) -> None:
    (home / "admin.key").write_text("secret\n")
    (home / "admin.key").chmod(mode)


def test_what_is_given_goes_before_the_environment_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_url(None) == HERE
    monkeypatch.setenv("MODELPORT_URL", ELSEWHERE + "/")
    assert find_url(None) == ELSEWHERE
    assert find_url("http://other:1/base/") == "http://other:1/base"


@pytest.mark.parametrize("url", ["models.example", "ftp://x", "http://", "8000"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="no address"):
        find_url(url)


def test_the_key_of_this_machine_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _key_file(home)
    assert find_key(None, HERE) == "secret"
    monkeypatch.setenv("MODELPORT_KEY", "environment's")
    assert find_key(None, HERE) == "environment's"
    assert find_key("given", ELSEWHERE) == "given"


def test_the_key_of_this_machine_is_told_to_no_other(home: Path) -> None:
    _key_file(home)
    with pytest.raises(Unauthenticated, match="only told to this machine"):
        find_key(None, ELSEWHERE)


def test_a_key_that_others_can_read_is_not_used(home: Path) -> None:
    _key_file(home, 0o640)
    with pytest.raises(PermissionDenied, match="read by others"):
        find_key(None, HERE)


def test_without_a_key_nothing_is_asked() -> None:
    with pytest.raises(Unauthenticated, match="neither MODELPORT_KEY nor"):
        find_key(None, HERE)


@pytest.mark.parametrize(
    ("url", "scoring_url"),
    [
        (HERE, "http://127.0.0.1:8001"),
        ("https://models.example:9000/prefix", "https://models.example:9001"),
        ("http://[::1]:8000", "http://[::1]:8001"),
        ("https://models.example", "https://models.example:444"),
    ],
)
def test_predictions_are_answered_at_the_next_port_if_not_told_otherwise(
    url: str, scoring_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODELPORT_SCORING_URL", raising=False)
    assert find_scoring_url(url) == scoring_url
    monkeypatch.setenv("MODELPORT_SCORING_URL", "https://score.example/")
    assert find_scoring_url(url) == "https://score.example"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("10.0.0.1", False), ("localhost.example", False)],
)
def test_loopback(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here
