"""`modelport up`: flags and variables → settings, up to the point where it would run."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import modelport.up
from modelport import cli
from modelport.settings import UpSettings


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs ``modelport up`` with these flags and variables; the settings it would run with."""
    run: list[UpSettings] = []
    monkeypatch.setattr(modelport.up, "up", run.append)
    log = logging.getLogger("modelport")
    before, level = list(log.handlers), log.level

    def settings(*words: str, **variables: str) -> UpSettings:
        result = CliRunner().invoke(cli.app, ["up", *words], env=dict(variables))
        assert result.exit_code == 0, result.output
        return run.pop()

    yield settings
    log.handlers[:] = before
    log.setLevel(level)


def test_without_flags_it_is_as_the_settings_are(up: Any, tmp_path: Path) -> None:
    assert up(MODELPORT_HOME=str(tmp_path)) == UpSettings(home=tmp_path)


def test_every_flag_reaches_the_settings(up: Any) -> None:
    words = "--host 0.0.0.0 --port 1 --scoring-port 2 --scoring-processes 3 --store sqlite:///x.db --home h --offline --sandbox"
    words += " --public-url https://ml.example.com --scoring-public-url http://ml.example.com:81/x"
    assert up(*words.split(), "--ssl-certfile", "c.pem", "--ssl-keyfile", "k.pem") == UpSettings(
        host="0.0.0.0",
        port=1,
        scoring_host="0.0.0.0",
        scoring_port=2,
        scoring_processes=3,
        public_url="https://ml.example.com",
        scoring_public_url="http://ml.example.com:81/x",
        store="sqlite:///x.db",
        home=Path("h"),
        ssl_certfile="c.pem",
        ssl_keyfile="k.pem",
        offline=True,
        sandbox=True,
    )


def test_predictions_may_have_another_address(up: Any) -> None:
    settings = up("--scoring-host", "10.0.0.1")
    assert (settings.host, settings.scoring_host) == ("127.0.0.1", "10.0.0.1")


def test_a_flag_wins_over_its_variable(up: Any) -> None:
    settings = up("--port", "1", MODELPORT_PORT="3", MODELPORT_SCORING_PORT="4", MODELPORT_STORE="sqlite:///y.db")
    assert (settings.port, settings.scoring_port, settings.store) == (1, 4, "sqlite:///y.db")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://ml.example.com/", "https://ml.example.com"),
        ("http://[::1]:81/a/b/", "http://[::1]:81/a/b"),
        ("HTTPS://ML.example.com", "HTTPS://ML.example.com"),
    ],
)
def test_public_addresses_are_what_clients_are_told(up: Any, given: str, taken: str) -> None:
    settings = up("--public-url", given, MODELPORT_SCORING_PUBLIC_URL=given)
    assert (settings.control_url, settings.scoring_url) == (taken, taken)
    assert up("--scoring-public-url", given).control_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "given",
    [
        "ml.example.com",
        "ftp://ml.example.com",
        "https://",
        "https:///x",
        "http://x:y",
        "http://x:0",
        "http://x:99999",
        "http://[::1",
        "http://x/?a=1",
        "http://x/#a",
        "http://user:password@x",
        "http://x y",
        "http://x\\y",
        "http://x\ny",
        "http://bücher.example",
        "",
    ],
)
@pytest.mark.parametrize("flag", ["--public-url", "--scoring-public-url"])
def test_what_is_no_base_url_is_refused(flag: str, given: str) -> None:
    result = CliRunner().invoke(cli.app, ["up", flag, given])
    assert (result.exit_code, flag in result.output) == (2, True)


def test_both_addresses_cannot_be_one() -> None:
    result = CliRunner().invoke(cli.app, ["up", "--port", "81", "--scoring-port", "81"])
    assert (result.exit_code, "--scoring-port" in result.output) == (2, True)
